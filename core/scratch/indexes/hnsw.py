"""HNSW, hierarchical navigable small world: walk a graph of neighbours towards the query.

Every vector is a node on layer 0 and, with a chance that falls by the factor M a layer, on layers above. The top layers
are sparse with long links, like motorways: the search greedily walks to the nearest node there, goes down, walks on, and
on layer 0 looks around with a list of the ef best. A search costs some log(n) hops, each as many comparisons as a node
has links. It misses a neighbour when every path to it leads through nodes farther away than the ef best.
Source: Malkov and Yashunin 2018, "Efficient and robust approximate nearest neighbor search using Hierarchical Navigable
Small World graphs", algorithms 1 (insert), 2 (search layer), 4 (neighbour selection) and 5 (k-NN search).
"""

import heapq
from collections.abc import Callable, Sequence

import numpy as np

from core.index.common import allowed, asked, checked
from core.records import Candidates
from core.scratch.indexes.distance import Metric, distances, nearest, pairwise

Nodes = list[tuple[float, int]]  # (distance, node), nearest first
Neighbours = Callable[[int, int], np.ndarray]  # layer, node -> the nodes it links to [degree] int32


class HNSW:
    """m: links a new node makes on each layer; 5 to 48, more for a higher intrinsic dimension (section 4.1).
    ef_construction: how many candidates it chooses them from; more is a better graph, built more slowly."""

    def __init__(self, dim: int, m: int = 16, ef_construction: int = 200, metric: Metric = "cosine", seed: int = 0) -> None:
        if m < 2:
            raise allowed("m", m, "2 and more", "a node needs two links to be passed through")
        self.m, self.ef_construction, self.metric = m, ef_construction, metric
        # mL = 1 / ln M: a layer has M times fewer nodes than the one below, so layers share few neighbours (section 4.1)
        self._level_scale = 1 / np.log(m)
        self._rng = np.random.default_rng(seed)
        self._vectors = np.empty((1, dim), np.float32)  # doubled when full
        self.levels: list[int] = []  # [n] the top layer of each node
        self.links: list[dict[int, np.ndarray]] = []  # layer -> node -> the nodes it links to [degree] int32
        self.entry_point = -1  # a node of the top layer

    @property
    def vectors(self) -> np.ndarray:
        """As compared [n, dim] float32: of length 1 for cosine."""
        return self._vectors[: len(self.levels)]

    def add(self, vectors: np.ndarray) -> None:
        for vector in checked(vectors, self.metric):
            self._insert(vector)

    def _insert(self, vector: np.ndarray) -> None:
        """Algorithm 1. vector [dim]"""
        node, top = len(self.levels), len(self.links) - 1
        if node == len(self._vectors):
            self._vectors = np.concatenate([self._vectors, np.empty_like(self._vectors)])
        self._vectors[node] = vector
        level = int(-np.log(1 - self._rng.random()) * self._level_scale)  # line 4; 1 - u is never 0
        self.levels.append(level)
        self.links += [{} for _ in range(level - top)]
        if node:
            distance = self._distance_to(vector)
            entry = [(float(distance([self.entry_point])[0]), self.entry_point)]
            for layer in range(top, level, -1):  # lines 5-7: walk down to where the node begins
                entry = search_layer(self.neighbours, layer, distance, entry, ef=1, size=node)
            for layer in range(min(top, level), -1, -1):  # lines 8-17: link it on each of its layers
                entry = search_layer(self.neighbours, layer, distance, entry, self.ef_construction, node)
                chosen = select(self._vectors, *_columns(entry), self.m, self.metric)
                self.links[layer][node] = chosen
                for neighbour in chosen.tolist():
                    self._link_back(layer, neighbour, node)
        for layer in range(top + 1, level + 1):
            self.links[layer][node] = np.empty(0, np.int32)  # alone up there until another comes
        if level > top:  # lines 18-19
            self.entry_point = node

    def _link_back(self, layer: int, node: int, new: int) -> None:
        """Lines 12-16: the neighbour links back, and chooses anew when it has too many links."""
        links = np.append(self.links[layer][node], np.int32(new))
        # 2M on layer 0: M alone slows searches of high recall much, more than 2M only takes memory (section 4.1)
        most = self.m if layer else 2 * self.m
        if len(links) > most:
            away = distances(self._vectors[links], self._vectors[node], self.metric)
            links = select(self._vectors, links, away, most, self.metric)
        self.links[layer][node] = links

    def search(self, queries: np.ndarray, depth: int, ef: int) -> Candidates:
        """The nearest nodes of each query [q, dim]; ef below depth is taken as depth, as hnswlib does; FAISS stops after about ef nodes."""
        queries = asked(queries, self.metric, self._vectors.shape[1])
        rows = [
            knn(
                self.neighbours, len(self.links) - 1, self._distance_to(query), self.entry_point, max(ef, depth), len(self.levels)
            )
            for query in queries
        ]
        return nearest([_columns(row) for row in rows], depth, self.metric)

    def neighbours(self, layer: int, node: int) -> np.ndarray:
        return self.links[layer][node]

    def _distance_to(self, query: np.ndarray) -> Callable[[Sequence[int]], np.ndarray]:
        return lambda nodes: distances(self._vectors[nodes], query, self.metric)


def knn(
    neighbours: Neighbours, top: int, distance: Callable, entry_point: int, ef: int, size: int, on_hop: Callable | None = None
) -> Nodes:
    """Algorithm 5: the ef nearest that the walk met. distance: nodes -> distances to the query; on_hop is told of each hop."""
    if entry_point < 0:
        return []
    entry = [(float(distance([entry_point])[0]), entry_point)]
    for layer in range(top, 0, -1):
        entry = search_layer(neighbours, layer, distance, entry, 1, size, on_hop)
    return search_layer(neighbours, 0, distance, entry, ef, size, on_hop)


def search_layer(
    neighbours: Neighbours, layer: int, distance: Callable, entry: Nodes, ef: int, size: int, on_hop: Callable | None = None
) -> Nodes:
    """Algorithm 2: from the entry nodes, always expand the nearest node not yet expanded, until it is farther than the
    worst of the ef best: no node it leads to is expected to be better."""
    visited = np.zeros(size, bool)
    visited[[node for _, node in entry]] = True
    candidates = list(entry)  # C of the paper: to expand, nearest first
    heapq.heapify(candidates)
    best = [(-away, node) for away, node in entry]  # W: the ef best met, farthest first
    heapq.heapify(best)
    while candidates:
        away, node = heapq.heappop(candidates)
        if away > -best[0][0]:
            break
        around = neighbours(layer, node)  # [degree]
        new = around[~visited[around]]  # [c]
        visited[new] = True
        apart = distance(new)  # [c], all in one product
        for d, e in zip(apart.tolist(), new.tolist(), strict=True):
            if len(best) < ef:
                heapq.heappush(best, (-d, e))
                heapq.heappush(candidates, (d, e))
            elif d < -best[0][0]:
                heapq.heapreplace(best, (-d, e))
                heapq.heappush(candidates, (d, e))
        if on_hop:
            on_hop(layer, node, away, new, apart)
    return sorted((-away, node) for away, node in best)


def select(vectors: np.ndarray, nodes: np.ndarray, away: np.ndarray, m: int, metric: Metric) -> np.ndarray:
    """Algorithm 4: at most m of the candidates [c] to link to, `away` [c] their distances to the node. Nearest first, one
    is taken only if it is nearer to the node than to any taken before: so links go in all directions, and one of them
    leads out of a cluster, where the m nearest would all stay inside.

    Without the paper's two options (extend the candidates, fill up with discarded ones), as hnswlib and FAISS.
    """
    order = np.argsort(away, kind="stable")
    nodes, away = nodes[order], away[order]
    between = pairwise(vectors[nodes], vectors[nodes], metric)  # [c, c]
    taken, free = [], np.ones(len(nodes), bool)
    for i in range(len(nodes)):
        if free[i]:
            taken.append(i)
            if len(taken) == m:
                break
            free &= between[i] >= away
    return nodes[taken]


def _columns(nodes: Nodes) -> tuple[np.ndarray, np.ndarray]:
    """(distance, node) pairs -> nodes [c] int32, distances [c] float32"""
    return np.array([n for _, n in nodes], np.int32), np.array([d for d, _ in nodes], np.float32)
