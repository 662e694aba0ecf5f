"""People's judgements by way of Label Studio: tasks out, annotations in."""
