"""The inside of an index as data, for drawings and tables: HNSW's layers, degrees, the path of a query and why a true
neighbour was missed; IVF's lists. Nothing here draws.

Each structure is read out of our own teaching index or out of the one FAISS built in seconds; the walk is ours in both
cases (`hnsw.knn`), so each hop can be watched. Vectors and queries are given as the index compares them: of length 1
where it was built for cosine.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from core.scratch.indexes import ivf
from core.scratch.indexes.distance import Metric, distances, score
from core.scratch.indexes.hnsw import HNSW, Nodes, knn


class Layer(NamedTuple):
    """nodes [k] int32, rising; links [k, width] int32: where each leads, filled up with -1. Width is the bound on links."""

    nodes: np.ndarray
    links: np.ndarray


class Graph(NamedTuple):
    """levels [n] int32: the top layer of each node (0 for most); layers[0] holds all nodes."""

    levels: np.ndarray
    layers: tuple[Layer, ...]
    entry_point: int
    metric: Metric


class LayerSize(NamedTuple):
    layer: int
    nodes: int
    links: int
    most_links: int  # allowed for one node: M, on layer 0 twice that


class Degrees(NamedTuple):
    """out[i], into[i]: nodes with i links, and nodes that i links lead to. into[0] cannot be reached on this layer."""

    out: np.ndarray
    into: np.ndarray


class Hop(NamedTuple):
    """One node expanded: its links to nodes not yet seen on this layer, compared with the query [c]; the best so far on
    any layer."""

    layer: int
    node: int
    score: float
    compared: np.ndarray
    scores: np.ndarray
    best: int
    best_score: float


class Walk(NamedTuple):
    """hops in order; ranking [<= depth] int32, best first, and their scores; entered: the node where layer 0 began."""

    hops: tuple[Hop, ...]
    ranking: np.ndarray
    scores: np.ndarray
    entered: int
    num_distances: int  # distance computations, the entry point's included

    @property
    def num_hops(self) -> int:
        return len(self.hops)


class Reason(StrEnum):
    TIED = "as near as one that was found: not a loss"
    NO_LINK = "no link leads to it on layer 0"
    UNREACHABLE = "unreachable from the node where the search entered layer 0"
    PASSED = "every path to it leads through nodes farther away than the ef best candidates at that moment"
    FAR = "no node that links to it was met: the search ended in another region"


class Miss(NamedTuple):
    """A true neighbour that was not found. rank from 1; found_at_ef: the first doubled ef that finds it (None: none up to
    the cap)."""

    id: int
    rank: int
    score: float
    reason: Reason
    in_degree: int
    found_at_ef: int | None


def from_hnsw(index: HNSW) -> Graph:
    layers = []
    for linked in index.links:
        nodes = np.array(sorted(linked), np.int32)
        links = np.full((len(nodes), index.m * (1 if layers else 2)), -1, np.int32)
        for row, node in enumerate(nodes.tolist()):
            links[row, : len(linked[node])] = linked[node]
        layers.append(Layer(nodes, links))
    return Graph(np.array(index.levels, np.int32), tuple(layers), index.entry_point, _plain(index.metric))


def from_faiss(index) -> Graph:
    """Graph of a faiss.IndexHNSW. FAISS keeps all links in one array: a node's begin at offsets[node], layer after layer,
    cum_nneighbor_per_level says where each layer begins; its levels count layers, ours name the top one."""
    import faiss

    hnsw = index.hnsw
    counts, flat = faiss.vector_to_array(hnsw.levels), faiss.vector_to_array(hnsw.neighbors)
    offsets = faiss.vector_to_array(hnsw.offsets).astype(np.int64)
    starts = faiss.vector_to_array(hnsw.cum_nneighbor_per_level)
    layers = []
    for layer in range(int(counts.max(initial=0))):
        nodes = np.flatnonzero(counts > layer).astype(np.int32)
        links = np.empty((len(nodes), starts[layer + 1] - starts[layer]), np.int32)
        for column in range(links.shape[1]):  # one at a time: a table of places would be twice the size of the links
            links[:, column] = flat[offsets[nodes] + starts[layer] + column]
        layers.append(Layer(nodes, links))
    metric = "dot" if index.metric_type == faiss.METRIC_INNER_PRODUCT else "l2"
    return Graph((counts - 1).astype(np.int32), tuple(layers), int(hnsw.entry_point), metric)


def layers(graph: Graph) -> tuple[LayerSize, ...]:
    return tuple(
        LayerSize(number, len(layer.nodes), int((layer.links >= 0).sum()), layer.links.shape[1])
        for number, layer in enumerate(graph.layers)
    )


def degrees(graph: Graph, layer: int) -> Degrees:
    nodes, links = graph.layers[layer]
    out = np.bincount((links >= 0).sum(1), minlength=links.shape[1] + 1)
    return Degrees(out, np.bincount(_in_degrees(graph, layer)[nodes]))


def walk(graph: Graph, vectors: np.ndarray, query: np.ndarray, ef: int, depth: int) -> Walk:
    """The search of one query [dim], hop by hop, as FAISS does it: the queue is ef long, also where more results are asked
    for, and ranking is the `depth` nearest of all that was compared on layer 0. (hnswlib, and our own index, lengthen the
    queue to depth: hand in the larger of the two for them.)"""
    hops, best = [], (np.inf, -1)  # distance and node of the nearest so far
    met: list[tuple[float, int]] = []

    def on_hop(layer: int, node: int, away: float, compared: np.ndarray, apart: np.ndarray) -> None:
        nonlocal best
        best = min(best, (away, node), *([(float(apart.min()), int(compared[apart.argmin()]))] if len(apart) else []))
        seen = score(np.array([away, best[0]], np.float32), graph.metric)
        hops.append(Hop(layer, node, float(seen[0]), compared, score(apart, graph.metric), best[1], float(seen[1])))
        if layer == 0:
            met.extend([] if met else [(away, node)])
            met.extend(zip(apart.tolist(), compared.tolist(), strict=True))

    ranking = _search(graph, vectors, query, ef, on_hop)[:depth]
    if len(ranking) < depth:
        ranking = sorted({*ranking, *met})[:depth]
    nodes, away = np.array([n for _, n in ranking], np.int32), np.array([d for d, _ in ranking], np.float32)
    entered = next((hop.node for hop in hops if hop.layer == 0), -1)
    compared = sum(len(hop.compared) for hop in hops) + bool(len(graph.levels))
    return Walk(tuple(hops), nodes, score(away, graph.metric), entered, compared)


def why_missed(graph: Graph, vectors: np.ndarray, query: np.ndarray, ef: int, depth: int, cap: int = 4096) -> tuple[Miss, ...]:
    """Each of the `depth` exact neighbours of a query [dim] that the walk at this ef does not find, nearest first.

    What is compared and near enough is found, so a miss was never compared: no node that links to it was expanded. ef is
    doubled up to `cap` to see what would find it.
    """
    walked = walk(graph, vectors, query, ef, depth)
    away = distances(vectors, query, graph.metric)  # [n], exact
    true = np.argsort(away, kind="stable")[:depth]
    missed = {int(node): rank for rank, node in enumerate(true, 1) if node not in set(walked.ranking.tolist())}
    if not missed:
        return ()
    scores = score(away, graph.metric)
    slack = 1e-6 * max(1.0, float(abs(scores[true[0]])))  # equal vectors' distances may differ in the last bits
    tied = {node for node in missed if len(walked.ranking) == depth and scores[node] <= walked.scores[-1] + slack}
    found_at, wider = {}, ef * 2
    while len(found_at) < len(missed) - len(tied) and wider <= cap:
        met = set(walk(graph, vectors, query, wider, depth).ranking.tolist())
        found_at = {node: wider for node in missed if node in met and node not in tied} | found_at
        wider *= 2
    reached = _reached(graph, walked.entered) if len(found_at) < len(missed) - len(tied) else None
    met = np.concatenate([[walked.entered], *(hop.compared for hop in walked.hops if hop.layer == 0)])
    degree = _in_degrees(graph, 0)

    def reason(node: int) -> Reason:
        if node in tied:
            return Reason.TIED
        if node not in found_at:
            if not degree[node]:
                return Reason.NO_LINK
            if not reached[node]:
                return Reason.UNREACHABLE
        leads_there = np.flatnonzero((graph.layers[0].links == node).any(1))
        return Reason.PASSED if np.isin(leads_there, met).any() else Reason.FAR

    return tuple(
        Miss(node, rank, float(scores[node]), reason(node), int(degree[node]), found_at.get(node))
        for node, rank in missed.items()
    )


def _search(graph: Graph, vectors: np.ndarray, query: np.ndarray, ef: int, on_hop: Callable | None = None) -> Nodes:
    def neighbours(layer: int, node: int) -> np.ndarray:
        nodes, links = graph.layers[layer]
        row = links[np.searchsorted(nodes, node)]
        return row[row >= 0]

    def distance(nodes) -> np.ndarray:
        return distances(vectors[nodes], query, graph.metric)

    return knn(neighbours, len(graph.layers) - 1, distance, graph.entry_point, ef, len(graph.levels), on_hop)


def _in_degrees(graph: Graph, layer: int) -> np.ndarray:
    """Links that lead to each node on a layer [n]"""
    links = graph.layers[layer].links
    return np.bincount(links[links >= 0], minlength=len(graph.levels))


def _reached(graph: Graph, start: int) -> np.ndarray:
    """Which nodes any path from `start` leads to on layer 0 [n] bool (breadth first)."""
    links = graph.layers[0].links
    reached, front = np.zeros(len(graph.levels), bool), np.array([start])
    while len(front):
        reached[front] = True
        around = links[front].ravel()
        front = np.unique(around[around >= 0])
        front = front[~reached[front]]
    return reached


def _plain(metric: Metric) -> Metric:
    """Vectors are held at length 1 for cosine: what is compared is the dot product."""
    return "l2" if metric == "l2" else "dot"


class Lists(NamedTuple):
    """IVF's cells: centroids [nlist, dim], cell [n] int32 (the list that holds each vector)."""

    centroids: np.ndarray
    cell: np.ndarray
    metric: Metric


class Placed(NamedTuple):
    """Where a true neighbour stands. rank from 1; list_rank: its list among all, nearest to the query first, from 1."""

    id: int
    rank: int
    score: float
    cell: int
    list_rank: int
    probed: bool
    says: str  # "missed: its list is the 23rd nearest, nprobe is 8"


def from_ivf(index: ivf.IVF) -> Lists:
    cell = np.full(sum(map(len, index.lists)), -1, np.int32)
    for number, ids in enumerate(index.lists):
        cell[ids] = number
    return Lists(index.centroids, cell, _plain(index.metric))


def from_faiss_ivf(index) -> Lists:
    """Lists of a faiss.IndexIVF whose ids are 0 to n - 1 (-1: not in it any more)."""
    import faiss

    listed, ids = index.invlists, []
    for number in range(index.nlist):
        size = listed.list_size(number)
        ids.append(faiss.rev_swig_ptr(listed.get_ids(number), size).copy() if size else np.empty(0, np.int64))
    cell = np.full(max((int(i.max()) + 1 for i in ids if len(i)), default=0), -1, np.int32)
    for number, members in enumerate(ids):
        cell[members] = number
    quantiser = faiss.downcast_index(index.quantizer)
    metric = "dot" if index.metric_type == faiss.METRIC_INNER_PRODUCT else "l2"
    return Lists(quantiser.reconstruct_n(0, index.nlist), cell, metric)


def list_sizes(lists: Lists) -> np.ndarray:
    """Vectors in each list [nlist]"""
    return np.bincount(lists.cell[lists.cell >= 0], minlength=len(lists.centroids))


def imbalance(lists: Lists) -> float:
    """How many times the comparisons of equal lists a query costs on average, when queries fall like the vectors:
    nlist * sum(size^2) / n^2. 1: all equal; nlist: all in one (FAISS's imbalance factor)."""
    sizes = list_sizes(lists).astype(np.float64)
    return float(len(sizes) * (sizes**2).sum() / max(sizes.sum(), 1) ** 2)


def where(lists: Lists, vectors: np.ndarray, query: np.ndarray, nprobe: int, depth: int) -> tuple[Placed, ...]:
    """The list of each of the `depth` exact neighbours of a query [dim], nearest first. One in a list that is searched is
    found, unless codes (IVF-PQ) blur its distance."""
    held = np.flatnonzero(lists.cell >= 0)
    away = distances(vectors[held], query, lists.metric)
    near = np.argsort(distances(lists.centroids, query, lists.metric), kind="stable")  # [nlist]
    list_rank = np.empty(len(near), np.int64)
    list_rank[near] = np.arange(1, len(near) + 1)
    placed = []
    for rank, at in enumerate(np.argsort(away, kind="stable")[:depth], 1):
        node, cell = int(held[at]), int(lists.cell[held[at]])
        place = int(list_rank[cell])
        says = f"{'compared' if place <= nprobe else 'missed'}: its list is the {_ordinal(place)} nearest, nprobe is {nprobe}"
        placed.append(Placed(node, rank, float(score(away[at], lists.metric)), cell, place, place <= nprobe, says))
    return tuple(placed)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
