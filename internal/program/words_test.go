package program

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSplit(t *testing.T) {
	for _, tt := range []struct {
		line string
		want []string
	}{
		{"ipmitool -H {{.ip_address}} power on", []string{"ipmitool", "-H", "{{.ip_address}}", "power", "on"}},
		{"  a\t b  \n", []string{"a", "b"}},
		{`a '' "" b`, []string{"a", "", "", "b"}},
		{`a'b c'"d e"f\ g`, []string{"ab cd ef g"}},
		{`'a"b' "a'b" \'\"`, []string{`a"b`, `a'b`, `'"`}},
		{`"a\"b\\c\$d\` + "`" + `e\n"`, []string{`a"b\c$d` + "`" + `e\n`}},
		{`'a\b$c` + "`d`" + `|;'`, []string{`a\b$c` + "`d`|;"}},
		{`"{{ .name }}" '{{printf "%s!" .a}}'`, []string{"{{ .name }}", `{{printf "%s!" .a}}`}},
		{"a \\\n b", []string{"a", "b"}},
		{"a\\\nb \"c\\\nd\"", []string{"ab", "cd"}},
		{"'a\nb'", []string{"a\nb"}},
		{`\| \; \& \> \$HOME \#`, []string{"|", ";", "&", ">", "$HOME", "#"}},
		{"a#b *? [x] ~ {a,b} 5$ $ 100$%", []string{"a#b", "*?", "[x]", "~", "{a,b}", "5$", "$", "100$%"}},
		{"échec\xff", []string{"échec\xff"}},
	} {
		got, err := Split(tt.line)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%q: %v (-want +got)\n%s", tt.line, err, diff)
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	const none = "no shell runs it"
	for line, want := range map[string]string{
		"a | b":          `has '|' at character 3, which is for a shell, but ` + none + `; put it in quotes if it is meant as it is, or call a script`,
		"a; b":           `';' at character 2`,
		"a && b":         none,
		"a &":            none,
		"a >b":           none,
		"a 2>&1":         none,
		"a <b":           none,
		"(a)":            none,
		"a $(b)":         `'$' at character 3, which would be replaced by a shell, but ` + none + `; put it in single quotes`,
		`a "$(b)"`:       none,
		"a `b`":          none,
		"a \"`b`\"":      none,
		"a $HOME":        none,
		`a "x${HOME}"`:   none,
		"a $1 $? $$":     none,
		`a $'x'`:         none,
		"a # b":          "begins a comment",
		"a\nb":           "has several lines",
		"a 'b":           "has a quote ' that is never closed",
		`a "b`:           `has a quote " that is never closed`,
		`a \`:            "ends with a backslash",
		"a\x00b":         "NUL",
		"":               "is empty",
		" \n\t":          "is empty",
		"\\\n":           "",
		"a {{.x | html}": none,
	} {
		words, err := Split(line)
		if want == "" && len(words) > 1 {
			t.Errorf("%q: %q", line, words)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %q, %v; want an error that says %q", line, words, err, want)
		}
	}
}

// What is quoted as for a shell comes back as it was.
func TestSplitUndoesQuoting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[ -~\t\n]{0,8}`), 1, 6).Draw(t, "words")
		var line []string
		for _, w := range words {
			line = append(line, rapid.SampledFrom([]func(string) string{
				func(w string) string { return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'" },
				func(w string) string {
					return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, "$", `\$`, "`", "\\`").Replace(w) + `"`
				},
			}).Draw(t, "quotes")(w))
		}
		got, err := Split(strings.Join(line, " "))
		if err != nil || !cmp.Equal(words, got) {
			t.Fatalf("%q: %q, %v", line, got, err)
		}
	})
}

// FuzzSplit compares what is accepted with what the shell makes of it: a text
// that is split otherwise, or that the shell would run, must not pass.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{
		"a b", `a "b c" 'd e' f\ g`, `"a\"b\$c"`, "a | b", "$(touch x)", "`x`", "a # b", "a\\\nb", `\`, "5$", "a$", `"$"`, `a"$"b`, "$'x'",
		"!", "-- a", "{ a; }", "if", "a=b c", "\v\f\r", "'\n'", "''", "#a", "a;b", "\\#", "$\\\nHOME", "\"$\\\nHOME\"", "a\\\n#b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		words, err := Split(line)
		if err != nil {
			return
		}
		if strings.Contains(line, "~") {
			return // taken as it is, which is told, and where the shell differs
		}
		shell := exec.CommandContext(t.Context(), "sh", "-fc", "set -- "+strings.Trim(line, " \t\n")+"\nprintf '%s\\0' \"$@\"")
		shell.Dir, shell.Env = t.TempDir(), []string{"PATH=/nowhere", "HOME=/nowhere"} // should it run something after all
		out, err := shell.CombinedOutput()
		if got, want := string(out), strings.Join(words, "\x00")+"\x00"; err != nil || got != want {
			t.Errorf("%q is split into %q, and by the shell into %q, %v", line, words, got, err)
		}
	})
}
