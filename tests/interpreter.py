"""Python as it was asked for, with a note of every branch it takes.

In `make coverage` it stands in for the interpreter: what tests and product start by
`sys.executable` comes here. The guardian runs as `python -I -S`, which no setting of
coverage's own reaches. It is not imported, and knows its arguments alone:

    interpreter.py EXECUTABLE DATA SITE [python's own arguments]
"""

import runpy
import sys


def main(executable: str, data: str, site: str, *given: str) -> None:
    """Notes go to files that begin with `data`; `site` is where coverage is found."""
    sys.path.pop(0)  # the folder of this file
    if sys.flags.no_site:
        sys.path.append(site)
    measure(data)
    sys.executable = executable
    flags = {"-I", "-S", "-u"}
    options = [*given]
    while options[0] in flags:
        options.pop(0)
    match options:
        case ["-c", code, *_]:
            sys.argv = ["-c", *options[2:]]
            if not sys.flags.isolated:
                sys.path.insert(0, "")
            exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102
        case ["-m", module, *_]:
            sys.argv = options[1:]
            sys.path.insert(0, "")
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [path, *_]:
            sys.argv = options
            runpy.run_path(path, run_name="__main__")
        case _:
            raise SystemExit("there is nothing to run")


def measure(data: str) -> None:
    """Until this process ends; one that is killed leaves no note."""
    import coverage

    config = __file__.replace("tests/interpreter.py", "pyproject.toml")
    coverage.Coverage(
        data_file=data, data_suffix=True, config_file=config, auto_data=True
    ).start()


if __name__ == "__main__":
    main(*sys.argv[1:])
