package pxepilot_test

import (
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestCheckName(t *testing.T) {
	for _, name := range []string{
		"h1", "ubuntu-16.04", "local", "a", "...", ".hidden", "two words", "rack:3", "Überraschung", "機械", "a\\b", "*", "-n", "$(x)",
		strings.Repeat("x", 255),
	} {
		if err := pxepilot.CheckName(name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	for _, tt := range []struct{ name, want string }{
		{"", "the name is empty"},
		{".", `the name "." is a directory's`},
		{"..", `the name ".." is a directory's`},
		{"/", `the name "/" contains a slash`},
		{"a/b", `the name "a/b" contains a slash`},
		{"../../etc/passwd", `the name "../../etc/passwd" contains a slash`},
		{"a\x00b", `the name "a\x00b" contains a control character`},
		{"a\nb", `the name "a\nb" contains a control character`},
		{"\x1b[31mred", `the name "\x1b[31mred" contains a control character`},
		{"a\u0085b", `the name "a\u0085b" contains a control character`},
		{"a\u2028b", `the name "a\u2028b" contains a control character`},
		{"evil\u202Egpj", `the name "evil\u202egpj" contains a control character`},
		{"zero\u200Bwidth", `the name "zero\u200bwidth" contains a control character`},
		{"\uFEFFbom", `the name "\ufeffbom" contains a control character`},
		{"hard\u00A0space", `the name "hard\u00a0space" contains a control character`},
		{"a\xff", `the name "a\xff" is not UTF-8`},
		{" a", `the name " a" begins or ends with space`},
		{"a ", `the name "a " begins or ends with space`},
		{" ", `the name " " begins or ends with space`},
		{"a\n", `the name "a\n" begins or ends with space`},
		{strings.Repeat("x", 256), `the name "` + strings.Repeat("x", 80) + `"... is longer than 255 bytes`},
		{strings.Repeat("/", 10000), `the name "` + strings.Repeat("/", 80) + `"... is longer than 255 bytes`},
	} {
		err := pxepilot.CheckName(tt.name)
		if err == nil || err.Error() != tt.want {
			t.Errorf("CheckName(%q) says %v, want %s", pxepilot.Quote(tt.name), err, tt.want)
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"h1", "..", "a/b", "a\x00", "\u202e", "\xff", " a", strings.Repeat("é", 128)} {
		f.Add(s)
	}
	dir := filepath.FromSlash("/srv/tftp/conf")
	f.Fuzz(func(t *testing.T, name string) {
		if err := pxepilot.CheckName(name); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 500 {
				t.Errorf("more than one short line: %q", err)
			}
			return
		}
		if path := filepath.Join(dir, name); filepath.Dir(path) != dir || filepath.Base(path) != name {
			t.Errorf("the name %q leads to %s", name, path)
		}
		if strings.ContainsAny(name, "\x00\n\r\t\x1b/") || !utf8.ValidString(name) || len(name) > 255 {
			t.Errorf("the name %q passed", name)
		}
	})
}

func TestQuote(t *testing.T) {
	for _, tt := range []struct{ s, want string }{
		{"", `""`},
		{"h1", `"h1"`},
		{"a\nb", `"a\nb"`},
		{`say "hi"`, `"say \"hi\""`},
		{"\x1b[2J", `"\x1b[2J"`},
		{"\u202e", `"\u202e"`},
		{"ü", `"ü"`},
		{strings.Repeat("x", 80), `"` + strings.Repeat("x", 80) + `"`},
		{strings.Repeat("x", 81), `"` + strings.Repeat("x", 80) + `"...`},
		{strings.Repeat("x", 79) + "üü", `"` + strings.Repeat("x", 79) + `"...`},
		{strings.Repeat("\x80", 100), `"` + strings.Repeat(`\x80`, 76) + `"...`},
	} {
		if got := pxepilot.Quote(tt.s); got != tt.want {
			t.Errorf("Quote(%q) = %s, want %s", tt.s, got, tt.want)
		}
	}
}

func TestQuoteProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) })).Draw(t, "s")
		q := pxepilot.Quote(s)
		whole, cut := strings.CutSuffix(q, `"...`)
		if cut {
			whole += `"`
		}
		back, err := strconv.Unquote(whole)
		switch {
		case err != nil:
			t.Fatalf("%s cannot be read back: %v", q, err)
		case len(s) <= 80 && back != s, len(s) > 80 && (!cut || !strings.HasPrefix(s, back) || len(back) < 76 || len(back) > 80):
			t.Fatalf("%s stands for %q", q, s)
		}
		for _, r := range q {
			if !pxepilot.Printable(r) {
				t.Fatalf("%s holds %q", q, r)
			}
		}
	})
}

func TestNearest(t *testing.T) {
	hosts := []string{"web1", "web2", "web10", "db1", "db-primary", "Mail", "gateway"}
	for _, tt := range []struct {
		name string
		want []string
	}{
		{"web", []string{"web1", "web2", "web10"}}, // an edit away, and begun
		{"wbe1", []string{"web1"}},                 // swapped
		{"mail", []string{"Mail"}},                 // case
		{"gatway", []string{"gateway"}},            // left out
		{"gatewayy", []string{"gateway"}},          // too many
		{"getaway", []string{"gateway"}},           // two letters wrong
		{"db", []string{"db1", "db-primary"}},      // begun
		{"d", nil},                                 // one letter tells nothing
		{"web1", []string{"web10", "web2"}},        // itself is no misspelling
		{"printer", nil},
		{"", nil},
		{strings.Repeat("web", 1000), nil},
	} {
		if diff := cmp.Diff(tt.want, pxepilot.Nearest(tt.name, hosts), cmpEmpty); diff != "" {
			t.Errorf("Nearest(%q): %s", pxepilot.Quote(tt.name), diff)
		}
	}
}

// cmpEmpty takes no list and an empty one for the same.
var cmpEmpty = cmp.Transformer("nil", func(s []string) []string { return append([]string{}, s...) })

func TestDidYouMean(t *testing.T) {
	for _, tt := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"mac_adresses", []string{"name", "mac_addresses", "labels"}, "; did you mean mac_addresses?"},
		{"ubuntu-16.4", []string{"ubuntu-14.04", "ubuntu-16.04", "local"}, "; did you mean ubuntu-16.04 or ubuntu-14.04?"},
		{"local", nil, ""},
		{"zzz", []string{"local"}, ""},
		{strings.Repeat("local", 1000), []string{strings.Repeat("local", 1000) + "x"}, ""},
	} {
		if got := pxepilot.DidYouMean(tt.name, tt.candidates); got != tt.want {
			t.Errorf("DidYouMean(%q) = %q, want %q", pxepilot.Quote(tt.name), got, tt.want)
		}
	}
}

// edits is the optimal string alignment distance as the textbook has it.
func edits(a, b string) int {
	switch {
	case a == "":
		return len(b)
	case b == "":
		return len(a)
	}
	cost := 1
	if a[0] == b[0] {
		cost = 0
	}
	n := min(edits(a[1:], b)+1, edits(a, b[1:])+1, edits(a[1:], b[1:])+cost)
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		n = min(n, edits(a[2:], b[2:])+1)
	}
	return n
}

func TestNearestProperty(t *testing.T) {
	word := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		name := word.Draw(t, "name")
		candidates := rapid.SliceOfNDistinct(word, 0, 3, rapid.ID).Draw(t, "candidates")
		limit := max(1, len(name)/3)
		found := map[string]bool{}
		last := -1
		for _, c := range pxepilot.Nearest(name, candidates) {
			d := edits(name, c)
			begun := len(name) >= 2 && strings.HasPrefix(c, name)
			if c == name || d > limit && !begun {
				t.Fatalf("%q is %d edits from %q, which is no neighbor", c, d, name)
			}
			if d = min(d, limit+1); d < last {
				t.Fatalf("%q stands behind one that is further", c)
			}
			last = d
			found[c] = true
		}
		for _, c := range candidates {
			if name != "" && name != c && edits(name, c) <= limit && !found[c] {
				t.Fatalf("%q is %d edits from %q and was not found", c, edits(name, c), name)
			}
		}
	})
}

func TestShellWord(t *testing.T) {
	for name, want := range map[string]string{"h1": "h1", "rack-1_a.x": "rack-1_a.x", "b 1$(x)": `b\ 1\$\(x\)`, "it's": `it\'s`, "ä": "ä"} {
		if got := pxepilot.ShellWord(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}
