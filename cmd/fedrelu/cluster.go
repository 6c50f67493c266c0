package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/processes"
	"github.com/fedrelu/fedrelu/coordinator"
)

// cluster is a coordinator in this process and worker processes of this program, which join it with a token that only
// they are given.
type cluster struct {
	engine   *engine
	workers  *processes.Group
	stopping atomic.Bool // what workers say from now on is about the end
}

func startCluster(a *app, dir string, workers int) (*cluster, error) {
	token := []byte(rand.Text())
	e, err := startEngine(coordinator.Config{
		Dir: dir, Build: build(), Token: token, Local: true, Logger: a.logger(slog.LevelWarn, false),
	}, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &cluster{engine: e}
	if c.workers, err = c.startWorkers(a, dir, workers, token); err != nil {
		_ = e.stop() // there is a better error
		return nil, err
	}
	go func() {
		select {
		case <-c.workers.Failed():
			c.interrupt() // nobody is left to compute
		case <-e.ended:
		}
	}()
	return c, nil
}

// startWorkers starts as many processes, which share the processors.
func (c *cluster) startWorkers(a *app, dir string, workers int, token []byte) (*processes.Group, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("finding the folder of the workers: %w", err)
	}
	slots := max(1, runtime.GOMAXPROCS(0)/workers)
	return processes.Start(processes.Config{
		Count: workers,
		Command: func(int) *exec.Cmd {
			cmd := exec.Command(self, workerProcess)
			cmd.Args[0] = os.Args[0]
			return cmd
		},
		Greeting: func(i int) []byte {
			return greeting{
				Address: c.engine.address, Token: token, Name: workerName(i), Dir: filepath.Join(dir, "workers"), Slots: slots,
			}.line()
		},
		Line: func(i int, line string) {
			if !c.stopping.Load() {
				a.console.Printf("%s: %s", workerName(i), line)
			}
		},
		Restart: func(i int, why error, pause time.Duration) {
			a.console.Printf("%s has ended (%v) and is started again", workerName(i), why)
		},
	})
}

func workerName(i int) string { return fmt.Sprintf("worker-%d", i+1) }

// interrupt asks the coordinator to stop cleanly. The workers live until it has.
func (c *cluster) interrupt() {
	c.stopping.Store(true)
	c.engine.cancel()
}

// stop ends workers and coordinator and returns when they are gone.
func (c *cluster) stop() error {
	c.stopping.Store(true)
	c.workers.Stop()
	return c.engine.stop()
}

// failure says why there are no workers any more, if that is why the cluster has ended.
func (c *cluster) failure() error {
	select {
	case <-c.workers.Failed():
		return fmt.Errorf("no worker process is left: %w", c.workers.Err())
	default:
		return nil
	}
}

// greeting is what a worker process reads from its parent.
type greeting struct {
	Address string `json:"address"`
	Token   []byte `json:"token"`
	Name    string `json:"name"`
	Dir     string `json:"dir"`
	Slots   int    `json:"slots"`
}

func (g greeting) line() []byte {
	b, err := json.Marshal(g)
	if err != nil {
		panic(err) // text and numbers
	}
	return append(b, '\n')
}
