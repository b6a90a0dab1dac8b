"""One run of `up`, from the store to the street: owns every task and every ending."""
