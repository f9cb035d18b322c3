"""What the code verifier is made of: finding the program in an attempt, reading the tests."""
