package pxepilot

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest name of a host or a configuration in bytes: NAME_MAX
// of the file systems that they become file names on.
const MaxName = 255

// CheckName says what is wrong with a name that will become one component of a
// path, or nil. It refuses what could leave a directory ("/", "..", NUL), what
// could deceive a reader (control characters, invalid UTF-8, surrounding
// space) and what no file system takes (more than MaxName bytes).
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case len(name) > MaxName:
		return fmt.Errorf("the name %s is longer than %d bytes", Quote(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("the name %s is not UTF-8", Quote(name))
	case name == "." || name == "..":
		return fmt.Errorf("the name %s is a directory's", Quote(name))
	case strings.ContainsRune(name, '/'):
		return fmt.Errorf("the name %s contains a slash", Quote(name))
	case strings.TrimSpace(name) != name:
		return fmt.Errorf("the name %s begins or ends with space", Quote(name))
	}
	for _, r := range name {
		if !Printable(r) {
			return fmt.Errorf("the name %s contains a control character", Quote(name))
		}
	}
	return nil
}

// Printable says whether r may stand in a name or on a terminal as it is.
// Besides control characters it refuses the invisible ones that change the
// direction or the look of what surrounds them.
func Printable(r rune) bool {
	return r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r)
}

// Quote puts s in quotes for a message: escaped, and cut short where it is
// longer than any sensible name, so that one line stays one line.
func Quote(s string) string {
	const most = 80
	if len(s) <= most {
		return strconv.Quote(s)
	}
	cut := most
	for cut > most-utf8.UTFMax && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return strconv.Quote(s[:cut]) + "..."
}

// Nearest returns up to three of the candidates that a person may have meant by
// name, the nearest first: those within a third of its length in edits
// (insert, delete, replace, swap neighbours), and those that it begins. The name
// itself is none of them: whoever did not find it did not misspell it.
func Nearest(name string, candidates []string) []string {
	type near struct {
		name string
		dist int
	}
	var found []near
	limit := max(1, len(name)/3)
	lower := strings.ToLower(name)
	for _, c := range candidates {
		if c == name {
			continue
		}
		if d := len(c) - len(name); d > limit || -d > limit {
			if len(name) >= 2 && strings.HasPrefix(strings.ToLower(c), lower) {
				found = append(found, near{c, limit + 1})
			}
			continue
		}
		if d := distance(lower, strings.ToLower(c), limit); d <= limit {
			found = append(found, near{c, d})
		}
	}
	sort.SliceStable(found, func(i, j int) bool {
		if found[i].dist != found[j].dist {
			return found[i].dist < found[j].dist
		}
		return found[i].name < found[j].name
	})
	if len(found) > 3 {
		found = found[:3]
	}
	names := make([]string, len(found))
	for i, f := range found {
		names[i] = f.name
	}
	return names
}

// DidYouMean is "; did you mean a or b?" for the nearest candidates, or empty.
func DidYouMean(name string, candidates []string) string {
	if len(name) > MaxName {
		return ""
	}
	near := Nearest(name, candidates)
	if len(near) == 0 {
		return ""
	}
	return "; did you mean " + strings.Join(near, " or ") + "?"
}

// distance is the optimal string alignment distance of a and b in bytes, or
// anything above limit once it cannot be within it.
func distance(a, b string, limit int) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			best = min(best, row[j])
		}
		if best > limit {
			return limit + 1
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// ShellWord is a name as a shell takes it for one word, with nothing special in it.
func ShellWord(name string) string {
	var b strings.Builder
	for _, r := range name {
		if r < utf8.RuneSelf && !strings.ContainsRune("-_.:@%+,/", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}
