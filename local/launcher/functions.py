"""Gives functions what Lambda gives them and MiniStack leaves out."""


def install() -> None:
    from ministack.services import lambda_svc
    from ministack.services.cloudformation import provisioners

    worker_env = lambda_svc._provided_worker_env
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::Function"]

    def with_logging(config, code_dir, port):
        environment = worker_env(config, code_dir, port)
        logging = config.get("LoggingConfig") or {}
        environment["AWS_LAMBDA_LOG_GROUP_NAME"] = logging.get("LogGroup", "")
        if logging.get("LogFormat") == "JSON":
            environment["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
            environment["AWS_LAMBDA_LOG_LEVEL"] = logging.get("ApplicationLogLevel", "INFO")
        # Lambda puts the content of layers below /opt, which here is the machine's own.
        layers = [lambda_svc._resolve_layer_zip(layer) for layer in config.get("Layers") or []]
        if layers:
            content = lambda_svc._docker_extracted_dir(layers[0], "layer")
            for name, value in environment.items():
                if value == "/opt":
                    environment[name] = content
        return environment

    def remembering_recursion(verb):
        def provision(*arguments, **named):
            done = verb(*arguments, **named)
            # create(logical_id, properties, …), update(physical_id, old, properties, …)
            properties = arguments[2] if isinstance(arguments[2], dict) else arguments[1]
            function = lambda_svc._functions.get(done[0])
            if function is not None:
                function["recursive_loop"] = properties.get("RecursiveLoop", "Terminate")
            return done

        return provision

    lambda_svc._provided_worker_env = with_logging
    handlers["create"] = remembering_recursion(handlers["create"])
    handlers["update"] = remembering_recursion(handlers["update"])
