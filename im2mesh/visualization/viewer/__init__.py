"""The live viewer: a page in the browser, served by the program that has the data and the model."""
