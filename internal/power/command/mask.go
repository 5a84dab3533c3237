package command

import (
	"slices"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/program"
)

// masks are texts that must not be shown.
type masks map[string]bool

// mask adds the values that the command's output may repeat and that nobody
// should see: those of variables that look like secrets, and all that is handed
// over in ways that hide it.
func (c *command) mask(m masks, vars map[string]string) {
	for name, value := range vars {
		if pxepilot.SecretName(name) {
			m.add(value)
		}
	}
	for _, t := range c.hidden() {
		for name, value := range vars {
			if t.all || slices.Contains(t.uses, name) {
				m.add(value)
			}
		}
	}
}

// passed adds the expanded texts that are handed over hidden, and their lines.
func (m masks) passed(p *program.Program) {
	for _, v := range p.Env {
		_, value, _ := strings.Cut(v, "=")
		m.add(value)
	}
	for line := range strings.Lines(p.Stdin) {
		m.add(line)
	}
}

// add adds a value, without the space around it. What is shorter than four
// characters is none worth hiding, and would hide half of every message.
func (m masks) add(value string) {
	if value = strings.TrimSpace(value); len(value) > 3 {
		m[value] = true
	}
}

// hide replaces every stretch of text that is covered by secrets, also by ones
// that overlap.
func (m masks) hide(s string) string {
	covered := make([]bool, len(s))
	found := false
	for secret := range m {
		done := 0 // covered up to here
		for from := 0; ; {
			i := strings.Index(s[from:], secret)
			if i < 0 {
				break
			}
			at := from + i
			for j := max(at, done); j < at+len(secret); j++ {
				covered[j] = true
			}
			found, done, from = true, at+len(secret), at+1
		}
	}
	if !found {
		return s
	}
	var out strings.Builder
	for i := range len(s) {
		switch {
		case !covered[i]:
			out.WriteByte(s[i])
		case i == 0 || !covered[i-1]:
			out.WriteString("***")
		}
	}
	return out.String()
}

// excerpt is what may be shown of an output: escaped, short, and without
// secrets.
func (m masks) excerpt(s string) string {
	return pxepilot.Quote(strings.TrimSpace(m.hide(s)))
}
