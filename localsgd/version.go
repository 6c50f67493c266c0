package localsgd

// Numerics is raised whenever a change may alter any bit of any model. Processes with different numerics do not work
// together. A test with golden hashes of tiny runs fails when somebody forgets.
const Numerics = 3
