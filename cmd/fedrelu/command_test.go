package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fedrelu/fedrelu/cmd/fedrelu/view"
	"github.com/fedrelu/fedrelu/proto/wire"
)

// all calls do for a command and everything below it that people may see.
func all(cmd *cobra.Command, do func(*cobra.Command)) {
	do(cmd)
	for _, sub := range cmd.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			all(sub, do)
		}
	}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	// Commands that print results, and therefore have --json.
	results := map[string]bool{"run": true, "submit": true, "list": true, "show": true, "watch": true, "export": true, "shards": true,
		"verify": true, "replay": true, "health": true, "version": true, "train": true, "check": true, "round": true, "analyze": true, "reproduce": true}
	all(newRoot(&app{}), func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.Long == "" || !strings.Contains(cmd.Example, "  fedrelu "+strings.TrimPrefix(cmd.CommandPath(), "fedrelu ")) &&
			cmd.HasParent() {
			t.Errorf("%s: short %q, long %q, example %q; want all of them, and an example of the command itself",
				cmd.CommandPath(), cmd.Short, cmd.Long, cmd.Example)
		}
		if hasJSON := cmd.Flags().Lookup("json") != nil; hasJSON != results[cmd.Name()] {
			t.Errorf("%s: --json %v, want %v", cmd.CommandPath(), hasJSON, results[cmd.Name()])
		}
	})
}

func TestHelpGoesToStdout(t *testing.T) {
	root := newRoot(&app{console: view.NewConsole(&bytes.Buffer{}, nil)})
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"run", "--help"})
	if err := root.Execute(); err != nil || !strings.Contains(out.String(), "--resume RUN") {
		t.Errorf("%v, got\n%s", err, out.String())
	}
}

func TestParseRanges(t *testing.T) {
	for _, c := range []struct {
		s    string
		want []wire.Range
		err  string
	}{
		{"", nil, ""},
		{" ", nil, ""},
		{"7", []wire.Range{{First: 7, Last: 7}}, ""},
		{"0-9,12", []wire.Range{{First: 0, Last: 9}, {First: 12, Last: 12}}, ""},
		{" 3 - 4 , 1", []wire.Range{{First: 3, Last: 4}, {First: 1, Last: 1}}, ""},
		{"4-3", nil, `"4-3": a range goes upwards`},
		{"1,,2", nil, `"": want numbers`},
		{"-1", nil, `"-1": want numbers`},
		{"1-2-3", nil, `"1-2-3": want numbers`},
		{"a", nil, `"a": want numbers`},
		{"4194304", nil, `"4194304": want numbers from 0 to 4194303`},
		{"99999999999999999999", nil, "want numbers"},
	} {
		got, err := parseRanges(c.s)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: got %v, want an error with %q", c.s, err, c.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q: got %v, %v; want %v", c.s, got, err, c.want)
		}
	}
}

func FuzzParseRanges(f *testing.F) {
	for _, s := range []string{"0-9,12", "", "4-3", "-", ",", "1-2-3", "4194303"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ranges, err := parseRanges(s)
		for _, r := range ranges {
			if err != nil || r.First < 0 || r.Last < r.First || r.Last >= wire.MaxShards {
				t.Errorf("%q gave %v, %v", s, ranges, err)
			}
		}
	})
}

func TestHighWater(t *testing.T) {
	for status, want := range map[string]int64{
		"Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t   123 kB\nVmRSS:\t 7 kB\n": 123 * 1024,
		"Name:\tx\n":        0,
		"VmHWM:\tmany kB\n": 0,
		"":                  0,
	} {
		if got := highWater(strings.NewReader(status)); got != want {
			t.Errorf("%q: got %d, want %d", status, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"worker", "workers", 1}, {"wokrers", "workers", 2}, {"set", "", 3}, {"dir", "data", 3}} {
		if got := distance(c.a, c.b); got != c.want || distance(c.b, c.a) != got {
			t.Errorf("distance(%q, %q) = %d, want %d, and the same the other way round", c.a, c.b, got, c.want)
		}
	}
}

func TestReachable(t *testing.T) {
	for _, c := range []struct {
		ip   string
		want string
	}{{"0.0.0.0", "localhost:7070"}, {"::", "localhost:7070"}, {"127.0.0.1", "127.0.0.1:7070"}, {"::1", "[::1]:7070"}} {
		if got := reachable(&net.TCPAddr{IP: net.ParseIP(c.ip), Port: 7070}); got != c.want {
			t.Errorf("%s: got %s, want %s", c.ip, got, c.want)
		}
	}
}

func TestReadToken(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if token, err := readToken(""); err != nil || token != nil {
		t.Errorf("no file: got %q, %v; want no token", token, err)
	}
	if token, err := readToken(file("good", " secret\n")); err != nil || string(token) != "secret" {
		t.Errorf("got %q, %v; want secret", token, err)
	}
	for name, path := range map[string]string{
		"missing": filepath.Join(dir, "missing"), "empty": file("empty", " \n"), "large": file("large", strings.Repeat("x", maxToken+1)),
	} {
		if _, err := readToken(path); err == nil || !strings.Contains(err.Error(), "--token-file") {
			t.Errorf("%s: got %v, want an error that names the flag", name, err)
		}
	}
}
