package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/internal/safetensors"
)

// TestMain makes this test binary the program itself when it is called fedrelu, also when that starts itself.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"fedrelu": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDRESS", "HTTP"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				env.Setenv(name, address)
			}
			return writeTinyData(env.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "serves": serves, "get": get, "lines": lines,
			"sameStart": sameStart,
		},
	})
}

// freeAddress returns a loopback address at which nobody listens.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// writeTinyData writes train.safetensors and test.safetensors: two classes of points in the plane, easy to tell apart.
func writeTinyData(dir string) error {
	for name, n := range map[string]int{"train": 200, "test": 100} {
		random := rand.New(rand.NewPCG(1, uint64(n)))
		x, y := make([]float32, 2*n), make([]int64, n)
		for i := range n {
			y[i] = int64(i % 2)
			x[2*i] = float32(random.Float64()) + 2*float32(y[i]) - 1.5
			x[2*i+1] = float32(random.Float64())
		}
		f, err := os.Create(filepath.Join(dir, name+".safetensors"))
		if err != nil {
			return err
		}
		err = safetensors.Write(f, []safetensors.Tensor{{Name: "x", Shape: []int{n, 2}, Values: x}, {Name: "y", Shape: []int{n}, Values: y}}, nil)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// exits CODE COMMAND... runs a command that has to end with this exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// serves ADDRESS waits until somebody listens there.
func serves(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serves address")
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		conn, err := net.Dial("tcp", args[0])
		if err == nil {
			ts.Check(conn.Close())
			return
		}
		<-tick.C
	}
	ts.Fatalf("nobody serves at %s", args[0])
}

// get URL FILE writes the body of an answer of 200 to a file.
func get(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: get url file")
	}
	r, err := http.Get(args[0])
	ts.Check(err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	ts.Check(err)
	if r.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s", r.Status, body)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), body, 0o644))
}

// sameStart EXPORT SHOW wants the model of an export's document to be what the run of a show's document was submitted with and
// began from.
func sameStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: sameStart export show")
	}
	var export view.Export
	var show view.Show
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &export))
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &show))
	if show.Init == nil || *show.Init != export.ModelSHA256 || show.Start.ModelSHA256 != export.ModelSHA256 {
		ts.Fatalf("exported is %s, the run has %v and %s", export.ModelSHA256, show.Init, show.Start.ModelSHA256)
	}
}

// lines N FILE wants so many lines in a file, or in stdout.
func lines(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lines n file")
	}
	if got := strings.Count(ts.ReadFile(args[1]), "\n"); fmt.Sprint(got) != args[0] {
		ts.Fatalf("%d lines, want %s", got, args[0])
	}
}
