package arch

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// foreign says what belongs to one machine or one network and to no file that everybody gets.
var foreign = []struct {
	what *regexp.Regexp
	why  string
}{
	{regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/(work|root|home|Users|farm|mnt)/`), "a path of one machine"},
	{regexp.MustCompile(`(^|[\s"'=(` + "`" + `])/tmp/`), "a path outside of the project: tests have t.TempDir, scripts mktemp"},
	{regexp.MustCompile(`\b(GOPROXY|GONOSUMDB|GOSUMDB|GOFLAGS)\s*[=:]`), "where modules come from is the machine's setting"},
	{regexp.MustCompile(`\bproxy\.golang\.org\b|\bdeb\.debian\.org\b|\bregistry\.[a-z0-9-]+\.[a-z]+\b`), "a registry's host"},
	{regexp.MustCompile(`https?://(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.)`), "an address of a private network"},
}

// TestNothingOfOneMachine: the project builds and reads the same everywhere.
func TestNothingOfOneMachine(t *testing.T) {
	for _, name := range tracked(t) {
		text, err := os.ReadFile(filepath.Join(root, name))
		if os.IsNotExist(err) {
			continue // deleted and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		report(t, foreignFindings(name, text))
	}
}

func TestNothingOfOneMachineCanFail(t *testing.T) {
	for _, bad := range []string{
		"see /wo" + "rk/main", `open("/ro` + `ot/x")`, "cd /tm" + "p/x",
		"GOPROXY" + "=off", "https://proxy.golang" + ".org/x", "registry.example" + ".com/image", "http://10" + ".0.0.1:3000",
	} {
		mustFind(t, foreignFindings("f.md", []byte("fine\n"+bad+"\n")), "f.md:2: ")
	}
	mustFind(t, foreignFindings("f.md", []byte("make the work/ of root/a\nframework/b and cwd/tm"+"p/x\n")))
	mustFind(t, foreignFindings("f.gz", []byte("\x00 /ro"+"ot/x")))
}

func foreignFindings(name string, text []byte) []string {
	if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
		return nil // not text
	}
	var findings []string
	for i, line := range strings.Split(string(text), "\n") {
		for _, f := range foreign {
			if found := f.what.FindString(line); found != "" {
				findings = append(findings, fmt.Sprintf("%s:%d: %q is %s", name, i+1, strings.TrimSpace(found), f.why))
			}
		}
	}
	return findings
}

// tracked are the files that git knows or would add, without this one, which has to spell what it looks for.
func tracked(t *testing.T) []string {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, ".git")); err != nil {
		t.Skip("not a git checkout: which files belong to the project is not known")
	}
	command := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	command.Dir = root
	out, err := command.Output()
	if err != nil {
		t.Fatalf("listing tracked files: %v", err)
	}
	var names []string
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		if name != "internal/arch/tracked_test.go" {
			names = append(names, name)
		}
	}
	return names
}
