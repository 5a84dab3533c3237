package program

import (
	"errors"
	"fmt"
	"strings"
)

// Split splits a command line into words as a POSIX shell does (XCU 2.2, 2.3):
// at blanks, unless they are in quotes or behind a backslash. Whatever else a
// shell would do is an error, for no shell runs: words that quietly mean
// something else than they seem to are worse. Patterns such as "*" are taken as
// they are.
func Split(line string) ([]string, error) {
	if strings.IndexByte(line, 0) >= 0 {
		return nil, errors.New("holds a NUL character")
	}
	line = strings.Trim(line, " \t\n")
	var (
		words []string
		word  strings.Builder
		open  bool // in a word, which may be empty, as '' is
		quote byte // ' or ", 0 outside
	)
	for i := 0; i < len(line); i++ {
		ch, rest := line[i], line[i+1:]
		switch {
		case quote != 0 && ch == quote:
			quote = 0
			continue
		case quote == '\'':
			word.WriteByte(ch)
			continue
		case ch == '`', ch == '$' && expands(rest):
			return nil, noShell(line, i, "would be replaced by a shell", `in single quotes`)
		case ch == '\\':
			if rest == "" {
				return nil, errors.New("ends with a backslash that stands for nothing")
			}
			switch next := rest[0]; {
			case next == '\n': // the line goes on
			case quote == '"' && !strings.ContainsRune("$`\"\\", rune(next)):
				word.WriteByte(ch)
				continue
			default:
				open = true
				word.WriteByte(next)
			}
			i++
			continue
		case quote != 0:
			word.WriteByte(ch)
			continue
		case ch == '\'' || ch == '"':
			quote, open = ch, true
			continue
		case ch == ' ' || ch == '\t':
			if open {
				words, open = append(words, word.String()), false
				word.Reset()
			}
			continue
		case ch == '\n':
			return nil, errors.New("has several lines, which a shell would run one after the other, but no shell runs it; put a backslash at the end of each line, or call a script")
		case strings.IndexByte("|&;<>()", ch) >= 0:
			return nil, noShell(line, i, "is for a shell", "in quotes")
		case ch == '#' && !open:
			return nil, noShell(line, i, "begins a comment for a shell", "in quotes")
		}
		open = true
		word.WriteByte(ch)
	}
	if quote != 0 {
		return nil, fmt.Errorf("has a quote %c that is never closed", quote)
	}
	if open {
		words = append(words, word.String())
	}
	if len(words) == 0 {
		return nil, errors.New("is empty")
	}
	return words, nil
}

// expands says whether a shell would expand a "$" that is followed by rest.
func expands(rest string) bool {
	for strings.HasPrefix(rest, "\\\n") {
		rest = rest[2:] // the line goes on
	}
	if rest == "" {
		return false
	}
	c := rest[0]
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("{(@*#?-$!'\"", c) >= 0
}

func noShell(line string, at int, why, how string) error {
	return fmt.Errorf("has %q at character %d, which %s, but no shell runs it; put it %s if it is meant as it is, or call a script",
		line[at], at+1, why, how)
}
