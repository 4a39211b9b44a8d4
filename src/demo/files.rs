recorded![]
