"""glTF 2.0, as .glb and .gltf: container, document, accessors, nodes, skins, primitives, joined."""
