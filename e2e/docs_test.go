package e2e

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
)

// Every session that the documents show is played as a new user would, and does
// what they show. The README begins with nothing but a checkout; whoever reads
// on in docs has the program installed.
func TestDocuments(t *testing.T) {
	documents, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append([]string{"../README.md"}, documents...) {
		text, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			steps, err := lab.Session(string(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(steps) == 0 {
				return
			}
			sandbox := lab.NewSandbox(t)
			if filepath.Dir(file) != ".." {
				sandbox.Install(t)
			}
			for _, wrong := range sandbox.Play(t, steps) {
				t.Errorf("%s: %v", file, wrong)
			}
		})
	}
}

// The original specification's own session, to the byte: its file at its place,
// its commands, its tables.
func TestSeedSession(t *testing.T) {
	steps, err := lab.Session(lab.Read(t, "testdata/seed.md"))
	if err != nil {
		t.Fatal(err)
	}
	sandbox := lab.NewSandbox(t)
	sandbox.Install(t)
	lab.Write(t, sandbox.Path("/etc/pxe-pilot/pxe-pilot.yml"), lab.Read(t, "../internal/config/testdata/seed.yml"))
	for _, wrong := range sandbox.Play(t, steps) {
		t.Errorf("seed.md: %v", wrong)
	}
}

// A session that is not as the document shows is noticed, and the sandbox keeps
// the machine clean.
func TestPlayNotices(t *testing.T) {
	const document = "```console\n" +
		"$ echo fine\n" +
		"fine\n" +
		"$ echo fine\n" +
		"wrong\n" +
		"$ false\n" +
		"$ ls /nowhere\n" +
		"$ echo $?\n" +
		"2\n" +
		"$ make test\n" +
		"$ make vulns\n" +
		"$ mkdir -p /srv/x /etc/x && cd /srv/x && here=there\n" +
		"$ pwd; echo $here >/usr/local/bin/x; cat /usr/local/bin/x\n" +
		"/srv/x\n" +
		"there\n" +
		"$ (echo ready; tail -f /dev/null) &\n" +
		"ready\n" +
		"$ kill %1\n" +
		"$ (echo unready; exec tail -f /dev/null) &\n" +
		"$ touch out-of-tree; ls -A /tmp\n" +
		"```\n"
	steps, err := lab.Session(document)
	if err != nil {
		t.Fatal(err)
	}
	sandbox := lab.NewSandbox(t)
	wrong := sandbox.Play(t, steps)
	var said []string
	for _, err := range wrong {
		line, _, _ := strings.Cut(err.Error(), "\n")
		said = append(said, line)
	}
	if want := "line 4: $ echo fine; line 6: $ false; line 11: $ make vulns"; strings.Join(said, "; ") != want {
		t.Errorf("it noticed %q, want %s", wrong, want)
	}
	for _, path := range []string{"/srv/x", "/etc/x", "/usr/local/bin/x", "out-of-tree"} {
		if lab.Exists(path) {
			t.Errorf("%s is outside of the sandbox", path)
		}
	}
	if !lab.Exists(sandbox.Path("/etc/x")) || !lab.Exists(sandbox.Path("/srv/x/out-of-tree")) {
		t.Error("what the session made is nowhere")
	}
}
