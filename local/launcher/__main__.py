"""Starts MiniStack with Esclusa's own ECR, SSM Run Command and ELBv2 behind its IAM, or deploys.

`python3 local/launcher serve` and `python3 local/launcher deploy …`. Only `esclusa-local` calls
it; what it passes in the environment is written beside each reader.
"""

import sys


def serve() -> None:
    from ministack import app

    import alarms
    import authority
    import documents
    import events
    import faults
    import forward
    import functions
    import repositories

    forward.install(app)
    alarms.install()
    authority.install()
    events.install()
    documents.install()
    repositories.install()
    functions.install()
    faults.install(app)
    # MiniStack reads its own command line; ours has been used up.
    sys.argv = sys.argv[:1]
    app.main()


def main() -> int:
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb == "serve":
        serve()
        return 0
    if verb == "deploy":
        import deploy

        return deploy.main(sys.argv[2:])
    print("launcher: the verb is `serve` or `deploy`", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
