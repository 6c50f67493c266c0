// Command fedrelu runs Local SGD over worker processes: a whole local cluster with one command, a coordinator and workers
// over many machines, and everything that looks at runs.
//
// Rules. Results go to stdout, everything else to stderr; with --json stdout holds exactly one JSON document. The exit code
// is 0 for what completed, 1 for what failed or was cancelled, 2 for a command line or a spec that cannot be, and 130 for
// what was stopped and can go on. An error is printed once, by main. One file a command; rendering is in view, the keeping
// of worker processes in processes, looking into a directory in offline. Only engine.go touches package coordinator.
package main

import (
	"os"
	"runtime"
)

func main() {
	runtime.MemProfileRate = 0 // see serveProfiles
	os.Exit(command(os.Args[1:]))
}
