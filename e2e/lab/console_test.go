package lab

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSession(t *testing.T) {
	const document = "# A heading\n\n" +
		"```\n$ not a session\n```\n" +
		"```console\n" +
		"$ one\n" +
		"said\n" +
		"\n" +
		"more\n" +
		"# two --as root  \n" +
		"$ three \\\n" +
		">   --long\n" +
		"...\n" +
		"```\n" +
		"- in a list\n" +
		"  ```console\n" +
		"  $ cat <<'EOF' >file\n" +
		"  $ no command\n" +
		"    indented\n" +
		"  EOF\n" +
		"  $ cat <<END\n" +
		"  > a\n" +
		"  >\n" +
		"  > END\n" +
		"  a\n" +
		"  $ four &\n" +
		"  ```\n"
	want := []Step{
		{Line: 7, Command: "one", Want: []string{"said", "", "more"}},
		{Line: 11, Command: "two --as root"},
		{Line: 12, Command: "three \\\n  --long", Want: []string{"..."}},
		{Line: 18, Command: "cat <<'EOF' >file\n$ no command\n  indented\nEOF"},
		{Line: 22, Command: "cat <<END\na\n\nEND", Want: []string{"a"}},
		{Line: 27, Command: "four &"},
	}
	got, err := Session(document)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{"```console\noutput\n```\n", "```console\n$ x\n", "```console\n$ cat <<EOF\n```\n"} {
		if steps, err := Session(bad); err == nil {
			t.Errorf("%q: %v", bad, steps)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		matches   bool
	}{
		{"", "anything\n", true},
		{"a\nb", "a\nb\n", true},
		{"a\nb\n\n", "a  \nb\n\n\n", true},
		{"a\nb", "a\n", false},
		{"a\nb", "a\nb\nc\n", false},
		{"a", "", false},
		{"...", "", true},
		{"...\nb", "a\na\nb\n", true},
		{"...\nb", "b\n", true},
		{"a\n...", "a\n", true},
		{"a\n...\nc", "a\nb\nb\nc\nc\n", true},
		{"a\n...\nc", "a\nb\n", false},
		{"time=... level=INFO ...", "time=12:00 level=INFO msg=x", true},
		{"time=... level=INFO ...", "time=12:00 level=WARN msg=x", false},
		{"a...a", "a", false},
		{"a...a", "aa", true},
		{"a ... b ... c", "a 1 b 2 c", true},
		{"a ... b ... c", "a 1 b 2 d", false},
		{"  a", "a", false},
	} {
		step := Step{Command: "x", Want: strings.Split(tt.want, "\n")}
		if step.Matches(tt.got) != tt.matches {
			t.Errorf("%q and %q: want %t", tt.want, tt.got, tt.matches)
		}
	}
	if !(Step{Command: "x &", Want: []string{"a"}}).Matches("a\nmore\n") {
		t.Error("what runs in the background may say more")
	}
}

func TestMayFail(t *testing.T) {
	for _, tt := range []struct {
		want, next string
		may        bool
	}{
		{"", "", false},
		{"errors: none", "ls", false},
		{"error: no such host", "ls", true},
		{"", "echo $?", true},
	} {
		if got := (Step{Command: "x", Want: strings.Split(tt.want, "\n")}).MayFail(tt.next); got != tt.may {
			t.Errorf("%q, then %q: %t", tt.want, tt.next, got)
		}
	}
}
