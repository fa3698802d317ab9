"""What is asked and what came back: values, which never change."""
