"""Vector indexes written to be read, and what stands inside them. The ones to work with are the parts one folder up.

Read in this order: `distance` (what near means), `kmeans`, `ivf` (search some lists only), `pq` (vectors as a few bytes),
`hnsw` (walk a graph), `inside` (the same structures as data: layers, degrees, the path of a query, why a neighbour was
missed, also of an index that FAISS built). numpy alone; each is checked against FAISS or hnswlib in
`tests/scratch/test_indexes_peers.py`.
"""
