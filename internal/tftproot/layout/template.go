package layout

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
)

// A template is the path of a link with placeholders in its last component.
type template struct {
	dir   string
	parts []part // of the last component
	match *regexp.Regexp
}

// A part is literal text, or a placeholder where that is not nil.
type part struct {
	text  string
	place *placeholder
}

// A placeholder stands for a fact of a host.
type placeholder struct {
	name   string
	perMAC bool
	by     pxepilot.AskedBy
	form   string // a regular expression of what it may become
	value  func(h *pxepilot.Host, m pxepilot.MAC) (string, error)
}

var placeholders = []placeholder{
	{"mac", true, pxepilot.ByMAC, macDashed, func(_ *pxepilot.Host, m pxepilot.MAC) (string, error) { return m.Dashed(), nil }},
	{"mac:colon", true, pxepilot.ByMAC, macColons, func(_ *pxepilot.Host, m pxepilot.MAC) (string, error) { return m.String(), nil }},
	{"mac:bare", true, pxepilot.ByMAC, macBare, func(_ *pxepilot.Host, m pxepilot.MAC) (string, error) { return m.Bare(), nil }},
	{"uuid", false, pxepilot.ByUUID, uuidForm, func(h *pxepilot.Host, _ pxepilot.MAC) (string, error) {
		if h.UUID.IsZero() {
			return "", missing(h, "uuid")
		}
		return h.UUID.String(), nil
	}},
	{"serial", false, pxepilot.BySerial, `.+`, func(h *pxepilot.Host, _ pxepilot.MAC) (string, error) {
		if h.Serial == "" {
			return "", missing(h, "serial")
		}
		if err := pxepilot.CheckName(h.Serial); err != nil {
			return "", fmt.Errorf("host %s: its serial number cannot be part of a file name: %w", pxepilot.Quote(h.Name), err)
		}
		return h.Serial, nil
	}},
	{"name", false, pxepilot.ByName, `.+`, func(h *pxepilot.Host, _ pxepilot.MAC) (string, error) { return h.Name, nil }},
}

func missing(h *pxepilot.Host, fact string) error {
	return fmt.Errorf("host %s has no %s, which the link is named after; add it, or list the host's bootloaders without this one",
		pxepilot.Quote(h.Name), fact)
}

func parse(s string) (template, error) {
	bad := func(format string, args ...any) (template, error) {
		return template{}, fmt.Errorf("the link %s %s", pxepilot.Quote(s), fmt.Sprintf(format, args...))
	}
	if s == "" {
		return bad("is empty")
	}
	if path.IsAbs(s) || path.Clean(s) != s || s == ".." || strings.HasPrefix(s, "../") {
		return bad("must be a plain path below the TFTP root, without a leading slash and \"..\"")
	}
	dir, base := path.Split(s)
	t := template{dir: path.Clean(dir)}
	if strings.ContainsAny(dir, "{}") {
		return bad("may have placeholders in its last component only")
	}
	if err := checkDir(t.dir); err != nil {
		return bad("has a bad directory: %v", err)
	}
	form := "^"
	for rest := base; rest != ""; {
		open := strings.IndexByte(rest, '{')
		if open < 0 {
			open = len(rest)
		}
		if text := rest[:open]; text != "" {
			if strings.ContainsRune(text, '}') {
				return bad("has a \"}\" without a \"{\"")
			}
			t.parts = append(t.parts, part{text: text})
			form += regexp.QuoteMeta(text)
		}
		if rest = rest[open:]; rest == "" {
			break
		}
		end := strings.IndexByte(rest, '}')
		if end < 0 {
			return bad("has a \"{\" without a \"}\"")
		}
		name := rest[1:end]
		p := find(name)
		if p == nil {
			return bad("has an unknown placeholder %s (want %s)%s", pxepilot.Quote("{"+name+"}"), known(), pxepilot.DidYouMean(name, placeNames()))
		}
		t.parts = append(t.parts, part{place: p})
		form += p.form
		rest = rest[end+1:]
	}
	identity := false
	for _, p := range t.parts {
		identity = identity || p.place != nil
	}
	if !identity {
		return bad("has no placeholder, so that all hosts would share it (want one of %s)", known())
	}
	if strings.HasPrefix(base, TempPrefix) {
		return bad("begins like a temporary name")
	}
	if err := pxepilot.CheckName(strings.NewReplacer("{", "", "}", "").Replace(base)); err != nil {
		return bad("is not a file name: %v", err)
	}
	t.match = regexp.MustCompile(form + "$")
	return t, nil
}

func checkDir(dir string) error {
	if dir == "." {
		return nil
	}
	for _, c := range strings.Split(dir, "/") {
		if err := pxepilot.CheckName(c); err != nil {
			return err
		}
		if strings.HasPrefix(c, TempPrefix) {
			return fmt.Errorf("%s begins like a temporary name", pxepilot.Quote(c))
		}
	}
	return nil
}

func find(name string) *placeholder {
	for i := range placeholders {
		if placeholders[i].name == name {
			return &placeholders[i]
		}
	}
	return nil
}

func placeNames() []string {
	names := make([]string, len(placeholders))
	for i, p := range placeholders {
		names[i] = p.name
	}
	return names
}

func known() string { return "{" + strings.Join(placeNames(), "}, {") + "}" }

func (t template) perMAC() bool {
	for _, p := range t.parts {
		if p.place != nil && p.place.perMAC {
			return true
		}
	}
	return false
}

// by is the first of what the link is named after.
func (t template) by() pxepilot.AskedBy {
	for _, p := range t.parts {
		if p.place != nil {
			return p.place.by
		}
	}
	return ""
}

func (t template) expand(h *pxepilot.Host, m pxepilot.MAC) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.place == nil {
			b.WriteString(p.text)
			continue
		}
		v, err := p.place.value(h, m)
		if err != nil {
			return "", err
		}
		b.WriteString(v)
	}
	return b.String(), nil
}

func (t template) String() string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.place != nil {
			b.WriteString("{" + p.place.name + "}")
		} else {
			b.WriteString(p.text)
		}
	}
	return path.Join(t.dir, b.String())
}
