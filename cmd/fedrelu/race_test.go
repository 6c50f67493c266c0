//go:build race

package main

// raceDetector tells whether the race detector is built in, which slows what trains tenfold.
const raceDetector = true
