package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// run runs the program against a server.
func run(ctx context.Context, server string, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = cli.Run(ctx, args, cli.IO{Stdout: &out, Stderr: &err, Env: environment(server)}, "1.2.3", local)
	return status, out.String(), err.String()
}

func environment(server string) func(string) string {
	return func(name string) string {
		if name == "PXE_PILOT_SERVER" {
			return server
		}
		return ""
	}
}

// TestJSONIsTheBody compares what -o json prints with what the server answers.
func TestJSONIsTheBody(t *testing.T) {
	site := odd()
	site.sweep = swept().sweep
	server := serve(t, site)
	for path, args := range map[string][]string{
		"/v1/configurations":       {"config", "list"},
		"/v1/configurations/local": {"config", "show", "local"},
		"/v1/hosts":                {"host", "list"},
		"/v1/hosts/h1":             {"host", "show", "h1"},
		"/v1/hosts/h1/explain":     {"host", "explain", "h1"},
		"/v1/bootloaders":          {"bootloader", "list"},
		"/v1/discovery":            {"discover"},
	} {
		method := http.MethodGet
		if args[0] == "discover" {
			method = http.MethodPatch
		}
		req, _ := http.NewRequestWithContext(t.Context(), method, server+path, nil)
		req.Header.Set("Prefer", "return=representation")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var want, got any
		if err := json.NewDecoder(res.Body).Decode(&want); err != nil {
			t.Fatal(err)
		}
		_, stdout, _ := run(t.Context(), server, append(args, "-o", "json")...)
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", path, diff)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

// failing is a stdout that cannot be written to.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: f.err}
}

func TestStdoutThatFails(t *testing.T) {
	server := serve(t, newFakeSite())
	for _, tt := range []struct {
		err    error
		args   string
		status int
		stderr string
	}{
		{syscall.EPIPE, "host list", 0, ""},
		{syscall.EPIPE, "host --help", 0, ""},
		{syscall.EPIPE, "completion bash", 0, ""},
		{syscall.EPIPE, "__complete host show h", 0, "Completion ended with directive: ShellCompDirectiveNoFileComp\n"},
		{syscall.EPIPE, "host show nope", 3, "error: host \"nope\" not found\nhint: 'pxe-pilot host list' shows what there is\n"},
		{syscall.ENOSPC, "host list -o json", 1, "error: cannot write the output: write /dev/stdout: no space left on device\n"},
		{syscall.ENOSPC, "check -c wrong.yml", 1, "error: cannot write the output: write /dev/stdout: no space left on device\n"},
		{syscall.ENOSPC, "--version", 1, "error: cannot write the output: write /dev/stdout: no space left on device\n"},
	} {
		var stderr bytes.Buffer
		status := cli.Run(t.Context(), strings.Fields(tt.args), cli.IO{Stdout: failing{tt.err}, Stderr: &stderr, Env: environment(server)}, "1.2.3", local)
		if status != tt.status || stderr.String() != tt.stderr {
			t.Errorf("%s, %v: exit status %d, want %d; stderr %q, want %q", tt.args, tt.err, status, tt.status, stderr.String(), tt.stderr)
		}
	}
}

// TestInterrupted cancels the context once the request is under way.
func TestInterrupted(t *testing.T) {
	for args, want := range map[string]string{
		"host list":              "error: interrupted\n",
		"config deploy local h1": "error: interrupted\nhint: it may have been done nevertheless: 'pxe-pilot host list' shows it\n",
	} {
		ctx, cancel := context.WithCancel(t.Context())
		server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			cancel()
			<-r.Context().Done()
		}))
		status, stdout, stderr := run(ctx, server, strings.Fields(args)...)
		if status != 1 || stdout != "" || stderr != want {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

// TestLostAnswer has the server break off: nobody knows whether it was done.
func TestLostAnswer(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	status, _, stderr := run(t.Context(), server, "host", "clear", "h1")
	if status != 5 || !strings.Contains(stderr, "hint: it may have been done nevertheless") {
		t.Errorf("exit status %d, stderr %q", status, stderr)
	}
}

// TestLocalErrors gives the errors of what runs on this machine their exit
// statuses.
func TestLocalErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{pxepilot.Errorf(pxepilot.Invalid, "x"), 1},
		{pxepilot.Errorf(pxepilot.NotFound, "x"), 3},
		{pxepilot.Errorf(pxepilot.Conflict, "x"), 4},
		{pxepilot.Errorf(pxepilot.Forbidden, "x"), 6},
		{pxepilot.Errorf(pxepilot.Unavailable, "x"), 1},
		{fmt.Errorf("wrapped: %w", pxepilot.Errorf(pxepilot.Conflict, "x")), 4},
	} {
		var stderr bytes.Buffer
		status := cli.Run(t.Context(), []string{"server"}, cli.IO{Stdout: io.Discard, Stderr: &stderr}, "1.2.3",
			cli.Local{Server: func(context.Context, cli.ServerOptions) error { return tt.err }})
		if status != tt.status || (tt.err != nil) != strings.HasPrefix(stderr.String(), "error: ") {
			t.Errorf("%v: exit status %d, want %d; stderr %q", tt.err, status, tt.status, stderr.String())
		}
	}
}

// TestStrangeNames types what no script can hold.
func TestStrangeNames(t *testing.T) {
	server := serve(t, newFakeSite())
	long := strings.Repeat("x", 10_000)
	for _, tt := range []struct {
		args   []string
		status int
		stderr string // of its first line
	}{
		{[]string{"host", "show", "h1\n"}, 2, `error: host: the name "h1\n" begins or ends with space`},
		{[]string{"host", "show", "\x1b[2J"}, 2, `error: host: the name "\x1b[2J" contains a control character`},
		{[]string{"host", "show", "\xff"}, 2, `error: HOST "\xff" is not UTF-8`},
		{[]string{"host", "show", long}, 2, `error: host: the name "` + long[:80] + `"... is longer than 255 bytes`},
		{[]string{"host", "show", "a\x00b"}, 2, `error: host: the name "a\x00b" contains a control character`},
		{[]string{"config", "deploy", "lo\ncal", "h1"}, 2, `error: configuration: the name "lo\ncal" contains a control character`},
		{[]string{"config", "deploy", "local", "h1", "h\n2"}, 2, `error: host 2 of the list: the name "h\n2" contains a control character`},
		{[]string{"config", "deploy", "local", "--", "-h1"}, 3, `error: host "-h1" not found; did you mean h1?`},
		{[]string{"h\nost"}, 2, `error: unknown command "h\nost"; did you mean host?`},
		{[]string{"host", "list", "\x1b"}, 2, `error: unexpected argument "\x1b"`},
		{[]string{"host", "list", "--\x1b\n"}, 2, `error: unknown option "--\x1b\n"`},
		{[]string{"host", "list", "-\x1b"}, 2, `error: unknown option "-\x1b"`},
		{[]string{"host", "list", "-o", "\n"}, 2, `error: option --output: "\n": want table, json, yaml or name`},
		{[]string{"host", "list", "--=x"}, 2, `error: bad flag syntax: --=x`},
		{[]string{"host", "list", "-s", "\x1b"}, 2, `error: --server: the server's address is not a URL; want a URL such as http://localhost:3478`},
	} {
		status, stdout, stderr := run(t.Context(), server, tt.args...)
		first, _, _ := strings.Cut(stderr, "\n")
		if status != tt.status || first != tt.stderr || stdout != "" {
			t.Errorf("%.60q: exit status %d, want %d\n got %s\nwant %s\nstdout %q", tt.args, status, tt.status, first, tt.stderr, stdout)
		}
	}
}

// TestCompletionIsPatient but not for long: a server that hangs costs a second,
// and nothing is said.
func TestCompletionIsPatient(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	status, stdout, stderr := run(t.Context(), server, "__complete", "host", "show", "")
	if status != 0 || stdout != ":4\n" || strings.Contains(stderr, "error") {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// TestNoServerAsked makes sure that what needs no server asks none.
func TestNoServerAsked(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked for", r.URL) }))
	for _, args := range []string{"--help", "--version", "check", "demo", "server", "completion zsh", "config deploy", "host show", "nope",
		"host on", "host on h1 --batch 0", "config deploy local h1 --batch 1", "discover --rate 0", "__complete host ''"} {
		run(t.Context(), server, strings.Fields(args)...)
	}
}
