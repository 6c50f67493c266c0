//go:build compose

package compose

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// root is the repository's root, where docker-compose.yml and .env are.
const root = "../.."

// cluster is one project of docker-compose.yml.
type cluster struct {
	t       *testing.T
	ctx     context.Context
	tool    []string // docker-compose, or docker compose
	project string
}

// newCluster names a project and sees to it that nothing of it stays.
func newCluster(ctx context.Context, t *testing.T) *cluster {
	t.Helper()
	specs, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FEDRELU_SPECS", specs)
	t.Setenv("FEDRELU_PORT", "")      // any that is free
	t.Setenv("FEDRELU_HTTP_PORT", "") // likewise
	c := &cluster{t: t, ctx: ctx, tool: composeTool(), project: fmt.Sprintf("fedrelu-test-%d", os.Getpid())}
	t.Cleanup(c.takeDown)
	return c
}

func composeTool() []string {
	if tool := os.Getenv("COMPOSE"); tool != "" {
		return strings.Fields(tool)
	}
	if _, err := exec.LookPath("docker-compose"); err == nil {
		return []string{"docker-compose"}
	}
	return []string{"docker", "compose"}
}

// takeDown removes the project with its volumes, and shows its logs if the test has failed. The test's context may be over.
func (c *cluster) takeDown() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), time.Minute)
	defer cancel()
	if c.t.Failed() {
		logs, _ := output(ctx, c.line("logs", "--no-color", "--tail=200")...) // best effort: there may be no cluster at all
		c.t.Logf("logs of the cluster:\n%s", logs)
	}
	if _, err := output(ctx, c.line("down", "--volumes", "--remove-orphans", "--timeout", "5")...); err != nil {
		c.t.Errorf("taking the cluster down: %v", err)
	}
}

func (c *cluster) line(args ...string) []string {
	return append(append([]string{}, c.tool...), append([]string{"-p", c.project, "-f", "docker-compose.yml"}, args...)...)
}

// compose runs a command on the project and returns what it prints.
func (c *cluster) compose(args ...string) string {
	c.t.Helper()
	return c.must(c.line(args...)...)
}

// must runs a command that has to succeed.
func (c *cluster) must(line ...string) string {
	c.t.Helper()
	out, err := output(c.ctx, line...)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// containers are the ids of a service's containers, in the order of their numbers.
func (c *cluster) containers(service string) []string {
	c.t.Helper()
	return strings.Fields(c.compose("ps", "-q", service))
}

// state is what the engine says of a container: running, paused, exited.
func (c *cluster) state(container string) string {
	c.t.Helper()
	return strings.TrimSpace(c.must("docker", "inspect", "-f", "{{.State.Status}}", container))
}

// run is what this test reads of `runs show --json`.
type run struct {
	Run    string
	Status string
	Rounds []struct {
		Round int
		Model string `json:"model_sha256"`
	}
}

// last is the number of the last committed round, 0 if there is none.
func (r run) last() int {
	if len(r.Rounds) == 0 {
		return 0
	}
	return r.Rounds[len(r.Rounds)-1].Round
}

// until asks the coordinator in container for the run until it is as wanted. A coordinator that does not answer is asked
// again: it may be starting.
func (c *cluster) until(container, id, what string, wanted func(run) bool) run {
	c.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		out, err := output(c.ctx, "docker", "exec", container, "/fedrelu", "runs", "show", id, "--coordinator", "localhost:7070", "--json")
		var r run
		if err == nil {
			err = json.Unmarshal([]byte(out), &r)
		}
		if err == nil && wanted(r) {
			c.t.Logf("%s: %s, round %d", what, r.Status, r.last())
			return r
		}
		if err == nil && ended(r.Status) {
			c.t.Fatalf("waiting for %s: the run is %s in round %d", what, r.Status, r.last())
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			c.t.Fatalf("waiting for %s: %v; last seen: %s in round %d, error %v", what, context.Cause(c.ctx), r.Status, r.last(), err)
		}
	}
}

func ended(status string) bool { return status != "queued" && status != "running" }

// output runs a command in the repository's root and returns its standard output; its error says what it printed.
func output(ctx context.Context, line ...string) (string, error) {
	command := exec.CommandContext(ctx, line[0], line[1:]...)
	command.Dir = root
	var complaints bytes.Buffer
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		return string(out), fmt.Errorf("%s: %w\n%s%s", strings.Join(line, " "), err, out, complaints.String())
	}
	return string(out), nil
}
