"""An app that cannot be imported."""

import azure.functions as func

app = func.FunctionApp()

raise RuntimeError("this app is broken on purpose")
