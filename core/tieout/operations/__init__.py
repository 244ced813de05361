"""What the workspace does, one module a subject. Composition only: rules live in the packages these call."""
