package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// text draws strings that are hard on encoders and terminals.
func text() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.String(),
		rapid.StringMatching(`[a-z0-9:._~ #&*!|>'"%@-]{0,12}`),
		rapid.SampledFrom([]string{"", "on", "No", "y", "null", "~", "012", "1e3", "00:00:00:00:00:01", "-", "- a", "a: b", "=", "<<",
			"a\nb", "a\n", "\n", " a\n b", "a\r\n", "\ta\n", "a \n", "#a\nb", "---\n", "\x1b[2J", "\u202e", "\u0085\n", "\u2028", "\ufeff\n", "😀", "日本"}),
	)
}

// data draws what a command prints as data.
func data() *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		h := apiv1.Host{
			Name:         text().Draw(t, "name"),
			MACAddresses: rapid.SliceOfN(text(), 0, 3).Draw(t, "macs"),
			State:        text().Draw(t, "state"),
			Canonical:    rapid.Bool().Draw(t, "canonical"),
			Labels:       rapid.MapOfN(text(), text(), 0, 3).Draw(t, "labels"),
			Links:        []apiv1.Link{{Path: text().Draw(t, "path"), Through: rapid.SliceOfN(text(), 0, 2).Draw(t, "through")}},
		}
		if rapid.Bool().Draw(t, "configured") {
			h.Configuration = &apiv1.ConfigurationRef{Name: text().Draw(t, "configuration")}
		}
		return []apiv1.Host{h}
	})
}

// parsed is what a program gets that reads JSON.
func parsed(t require, b []byte) any {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}

type require interface{ Fatalf(string, ...any) }

func TestJSONIsTheData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := data().Draw(t, "data")
		var b bytes.Buffer
		if err := writeJSON(&b, d); err != nil {
			t.Fatalf("%v", err)
		}
		plain, _ := json.Marshal(d)
		if diff := cmp.Diff(parsed(t, plain), parsed(t, b.Bytes())); diff != "" {
			t.Fatalf("not the same:\n%s", diff)
		}
		for _, r := range b.String() {
			if r != '\n' && !pxepilot.Printable(r) {
				t.Fatalf("%q reaches the terminal", r)
			}
		}
	})
}

func TestYAMLIsTheData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := data().Draw(t, "data")
		var b bytes.Buffer
		if err := writeYAML(&b, d); err != nil {
			t.Fatalf("%v", err)
		}
		var got any
		if err := yaml.Unmarshal(b.Bytes(), &got); err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		plain, _ := json.Marshal(d)
		if diff := cmp.Diff(parsed(t, plain), got); diff != "" {
			t.Fatalf("not the same:\n%s\n%s", diff, b.String())
		}
		for _, r := range b.String() {
			if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
				t.Fatalf("%q reaches the terminal", r)
			}
		}
	})
}

func TestYAMLLeavesNoWordInDoubt(t *testing.T) {
	var b bytes.Buffer
	words := []string{"local", "ubuntu-16.04", "on", "No", "Y", "null", "012", "1.0", "00:00:00:00:00:01", "", "a b", "a\nb\n"}
	if err := writeYAML(&b, words); err != nil {
		t.Fatal(err)
	}
	want := `- local
- ubuntu-16.04
- "on"
- "No"
- "Y"
- "null"
- "012"
- "1.0"
- "00:00:00:00:00:01"
- ""
- "a b"
- |
  a
  b
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTable(t *testing.T) {
	tests := []struct {
		name   string
		header []string
		rows   [][]string
		want   string
	}{
		{"empty", []string{"NAME", "FILE"}, nil, `
+------+------+
| NAME | FILE |
+------+------+
`},
		{"wide characters", []string{"N"}, [][]string{{"日本"}, {"é"}, {"e\u0301"}, {"h1"}}, `
+------+
|  N   |
+------+
| 日本 |
| é    |
| ` + "e\u0301" + `    |
| h1   |
+------+
`},
		{"long cells stay on one line", []string{"A", "B"}, [][]string{{strings.Repeat("x ", 50), ""}}, `
+` + strings.Repeat("-", 102) + `+---+
|` + strings.Repeat(" ", 50) + "A" + strings.Repeat(" ", 51) + `| B |
+` + strings.Repeat("-", 102) + `+---+
| ` + strings.Repeat("x ", 50) + ` |   |
+` + strings.Repeat("-", 102) + `+---+
`},
		{"numbers and dots stay as they are", []string{"CONFIG.PATH"}, [][]string{{"1"}, {"1.50"}}, `
+-------------+
| CONFIG.PATH |
+-------------+
| 1           |
| 1.50        |
+-------------+
`},
		{"control characters", []string{"X"}, [][]string{{"a\tb\n\x1b\xff"}}, `
+----------------+
|       X        |
+----------------+
| a\tb\n\x1b\xff |
+----------------+
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tbl := newTable(tt.header...)
			for _, r := range tt.rows {
				tbl.row(r...)
			}
			var b bytes.Buffer
			tbl.write(&b)
			if diff := cmp.Diff(tt.want[1:], b.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTableIsARectangle(t *testing.T) {
	// No marks, for they join the character before them, be it of a border.
	plain := rapid.StringOf(rapid.RuneFrom(nil, unicode.Latin, unicode.Digit, unicode.Han, unicode.Hiragana, unicode.Cc))
	rapid.Check(t, func(t *rapid.T) {
		tbl := newTable("NAME", "CONFIGURATION")
		for range rapid.IntRange(0, 4).Draw(t, "rows") {
			tbl.row(plain.Draw(t, "name"), plain.Draw(t, "configuration"))
		}
		var b bytes.Buffer
		tbl.write(&b)
		lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
		for _, line := range lines {
			if width(line) != width(lines[0]) {
				t.Fatalf("%q is not as wide as %q", line, lines[0])
			}
		}
		if want := 3 + len(tbl.rows); len(lines) != want && len(lines) != want+1 {
			t.Fatalf("%d lines", len(lines))
		}
	})
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"", "h1", "a\x00b", "\xff\xfe", "\u202e", "é", "\ufffd", "a\\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := clean(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		plain := true
		for _, r := range got {
			if !pxepilot.Printable(r) {
				t.Errorf("%q is left in %q", r, got)
			}
		}
		for i, r := range s {
			_, size := utf8.DecodeRuneInString(s[i:])
			plain = plain && pxepilot.Printable(r) && (r != utf8.RuneError || size > 1)
		}
		if plain && got != s || clean(got) != got {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}

// TestNothingHostile prints what a hostile server says by each command's own
// text, with no shell between.
func TestNothingHostile(t *testing.T) {
	const evil = "\x1b]0;owned\x07\n\u202e\u009b"
	h := apiv1.Host{Name: evil, State: evil, MACAddresses: []string{evil}, Configuration: &apiv1.ConfigurationRef{Name: evil},
		PowerState: evil, PowerStateAt: evil, PowerProblem: evil,
		LastFetch: &apiv1.LastFetch{At: evil, Path: evil, By: evil, Agent: evil, Bootloader: evil, Configuration: evil, Status: 200},
		Labels:    map[string]string{evil: evil}, Bootloaders: []string{evil}, IPMI: &apiv1.IPMI{MACAddress: evil, Hostname: evil},
		Links: []apiv1.Link{{Bootloader: evil, MACAddress: evil, Path: evil, Target: evil, State: evil, Configuration: evil, Through: []string{evil}}}}
	var b bytes.Buffer
	writeHost(&b, &h)
	listedHosts([]apiv1.Host{h}).text(&b)
	listedConfigurations([]apiv1.Configuration{{Name: evil, Bootloaders: []string{evil}}}).text(&b)
	listedBootloaders([]apiv1.Bootloader{{Name: evil, File: evil, ConfigPath: evil}}).text(&b)
	planTable([]apiv1.Step{{Host: evil, Bootloader: evil, Path: evil, Was: evil, Becomes: evil, Keep: evil}}).write(&b)
	checked(evil, []Finding{{Error, evil, evil}}).text(&b)
	(&program{IO: IO{StdoutTTY: true}}).writeContent(&b, &apiv1.ConfigurationContent{Variants: []apiv1.Variant{{Bootloader: evil, Content: evil}, {Bootloader: evil}}})
	outcomes := []apiv1.HostOutcome{
		{Name: evil, Configuration: evil, Rebooted: evil, Problem: evil},
		{Name: evil, Rebooted: rebootFailed, Problem: evil},
		{Name: evil, Refused: evil},
	}
	outcomeTable(outcomes, true).write(&b)
	sweeps := []apiv1.SubnetSweep{{Subnet: evil, Method: evil, Missing: []apiv1.MissingBMC{{MACAddress: evil, Hosts: []string{evil}}, {MACAddress: evil}}, Note: evil, Duplicates: []string{evil}}, {Subnet: evil, Problem: evil}}
	discovered(&apiv1.Discovery{Subnets: sweeps}).text(&b)
	p := &program{IO: IO{Stderr: &b}, out: &output{to: &b}}
	form := format("table")
	_ = p.printOutcome(&changeOptions{now: true, form: &form}, &apiv1.Outcome{Hosts: outcomes})
	all := gathering{names: []string{evil, "h1"}, rows: map[string]powered{evil: {Name: evil, Result: evil, Problem: evil}}}
	_ = p.conclude(form, &all, nil, "RESULT", func(r powered) string { return r.Result })
	p.noteLeft("not reached", []string{evil})
	p.say("error", evil)
	p.noteFallback([]string{evil}, false)
	for _, r := range b.String() {
		if r != '\n' && !pxepilot.Printable(r) {
			t.Errorf("%q reaches the terminal", r)
		}
	}
}
