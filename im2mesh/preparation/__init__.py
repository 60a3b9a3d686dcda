"""Other people's data: moving meshes of any source -> the layout that this program reads."""
