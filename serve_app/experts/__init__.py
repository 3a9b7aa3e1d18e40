"""The experts as deployments: one file per kind of engine, all with one method `answer`."""
