"""Lets MiniStack keep the metric math of an alarm, which it would forget.

It is kept and described as it was put. Nothing here judges alarms: the tests do.
"""


def install() -> None:
    from ministack.services import cloudwatch

    put = cloudwatch._put_metric_alarm

    def remembering_math(params, cbor_data, is_cbor, is_json=False):
        answer = put(params, cbor_data, is_cbor, is_json)
        alarm = cloudwatch._alarms.get((cbor_data or {}).get("AlarmName", ""))
        metrics = (cbor_data or {}).get("Metrics")
        if alarm is not None and metrics:
            alarm["Metrics"] = metrics
            for member in ("MetricName", "Namespace", "Statistic", "Period", "Dimensions"):
                alarm.pop(member, None)
        return answer

    cloudwatch._put_metric_alarm = remembering_math
