"""arq projects, one for each thing that arq's documentation shows; none of them knows of us."""
