"""Moving meshes from codes that are blended, exchanged or drawn, and tables of codes."""
