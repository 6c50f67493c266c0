// Package compose holds the test of docker-compose.yml: a real cluster of containers that is disturbed in the middle of a
// run has to end with the model of an undisturbed run on this machine.
//
// Rules:
//
//   - The test is behind the build tag compose, because it needs Docker and what `make` builds:
//     make && go test -tags compose -count=1 -v ./test/compose
//   - Each cluster is a project of its own name with ports that Docker chooses, and is taken down whatever happens.
//   - Nothing is timed: every step waits for what it needs to see in the JSON of the command line, until a deadline.
package compose
