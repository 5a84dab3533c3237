package house

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// A taboo is a text that must not stand in a file, and why. What it looks for is
// put together from pieces, or else this file would be the first to hold it.
type taboo struct {
	what *regexp.Regexp
	in   func(name string) bool
	such []string // what it must find
	why  string
}

var taboos = []taboo{
	{regexp.MustCompile(`/wo` + `rk/|/tmp/br` + `ief|/root/g` + `o\b|/home/[a-z]`), anywhere,
		[]string{"in /wo" + "rk/main", "/home/" + "user"},
		"a path of one machine is found on no other"},
	{regexp.MustCompile(`(?:pro` + `xy\.golang|registry\.np` + `mjs|deb\.deb` + `ian)\.org`), anywhere,
		[]string{"https://pro" + "xy.golang.org"},
		"where packages come from is everybody's own setting"},
	{regexp.MustCompile(`//no` + `lint|//lint:ig` + `nore|#no` + `sec`), isGo,
		[]string{"x() //no" + "lint:errcheck"},
		"mend what a linter found, or take the linter out for everybody"},
	{regexp.MustCompile(`\b(?:TO` + `DO|FIX` + `ME|XX` + `X)\b`), anywhere,
		[]string{"// TO" + "DO: more", "FIX" + "ME"},
		"what is left to do is an issue, not a comment"},
	{regexp.MustCompile(`(?m)^(?:<{7} |>{7} |={7}$)`), anywhere,
		[]string{"a\n<<<<" + "<<< HEAD\n", "a\n====" + "===\nb"},
		"a merge was left half done"},
	{regexp.MustCompile(`\btime\.Sl` + `eep\(`), isTest,
		[]string{"\ttime.Sl" + "eep(1)"},
		"a test that sleeps is slow or flaky, mostly both: wait for readiness, or use testing/synctest"},
	{regexp.MustCompile(`\b(?:t|tb)\.Sk` + `ip(?:f|Now)?\(|testing\.Sh` + `ort\(`), isTest,
		[]string{"\tt.Sk" + "ip()", "tb.Sk" + "ipf(x)", "if testing.Sh" + "ort() {"},
		"internal/testenv skips aloud, and fails in CI; the long versions ask testenv.Soak"},
	{regexp.MustCompile(`(?m)^func in` + `it\(\)`), isGo,
		[]string{"package x\n\nfunc in" + "it() {"},
		"lists are explicit; importing a package changes nothing"},
}

func anywhere(string) bool      { return true }
func isGo(name string) bool     { return strings.HasSuffix(name, ".go") }
func isTest(name string) bool   { return strings.HasSuffix(name, "_test.go") }
func isBinary(data []byte) bool { return bytes.IndexByte(data, 0) >= 0 || !utf8.Valid(data) }

func TestTaboos(t *testing.T) {
	for _, b := range taboos {
		for _, s := range b.such {
			if !b.what.MatchString(s) {
				t.Errorf("%q is not found, though: %s", s, b.why)
			}
		}
	}
}

func TestText(t *testing.T) {
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, top+string(filepath.Separator)))
		if d.IsDir() {
			if slices.Contains([]string{".git", ".bin", "dist"}, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || name == "pxe-pilot" {
			return nil
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) { // an editor's, gone meanwhile
			return nil
		}
		if err != nil || isBinary(data) {
			return err
		}
		for _, b := range taboos {
			if !b.in(name) {
				continue
			}
			for _, at := range b.what.FindAllIndex(data, 3) {
				t.Errorf("%s:%d: %q: %s", name, 1+bytes.Count(data[:at[0]], []byte("\n")), data[at[0]:at[1]], b.why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
