rule placeholder:
    output:
        "x",
