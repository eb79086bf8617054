"""Makes EventBridge deliver as AWS does where MiniStack is stricter or laxer.

Stricter: on AWS only a service can publish as `aws.ecr`. Here our server is that service, and it
signs with the account's root credentials, which no function has. A function that tries is refused
as on AWS.

Laxer: MiniStack delivers to a queue or a topic whatever its policy says. Here a rule that the
policy does not allow reaches nothing, so that a missing statement in the template shows.
EventBridge says for which rule it sends to a queue; of a topic's policy it meets no condition.
"""

import logging

logger = logging.getLogger("esclusa")


def _is_refused(target: dict, rule: dict, event: dict) -> bool:
    from ministack.services import sns, sqs

    arn = target.get("Arn", "")
    service = arn.split(":")[2:3]
    if service == ["sns"]:
        return not sns.topic_policy_allows(arn, "events.amazonaws.com", "", "")
    return service == ["sqs"] and not sqs.queue_policy_allows(
        arn, "events.amazonaws.com", rule.get("Arn", ""), event.get("Account", "")
    )


def install() -> None:
    from ministack.core import iam_evaluator
    from ministack.services import eventbridge

    put_events = eventbridge._put_events
    invoke_target = eventbridge._invoke_target

    def put_events_as_service(data, allow_aws_source=False):
        is_root = iam_evaluator.caller_arn().endswith(":root")
        return put_events(data, allow_aws_source=allow_aws_source or is_root)

    def invoke_allowed_target(target, event, rule, view=None):
        if _is_refused(target, rule, event):
            logger.warning(
                "rule %s may not send to %s: the policy there does not allow it",
                rule.get("Name"), target.get("Arn"),
            )
            return
        invoke_target(target, event, rule, view)

    eventbridge._put_events = put_events_as_service
    eventbridge._invoke_target = invoke_allowed_target
