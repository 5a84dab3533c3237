package app

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// completed adds to the findings of a check why hosts do not boot what was deployed
// to them. What an error says of the same file already is not told again, a warning
// of what comes true by it becomes an error, and what has the same cause for many
// hosts is told once.
func completed(found []cli.Finding, root string, explained []pxepilot.Explanation) []cli.Finding {
	s := newSaid(found, root)
	found = slices.Clone(found)
	var causes []*cause
	known := map[string]*cause{}
	for i := range explained {
		e := &explained[i]
		if e.Status.State == pxepilot.None || e.AsDeployed() {
			continue
		}
		host := pxepilot.Quote(e.Status.Host.Name)
		for j := range e.Searches {
			search := &e.Searches[j]
			if isDropped(e.Status, search.Bootloader) {
				continue
			}
			for _, reason := range search.Reasons {
				at, ask := subject(e.Status, search, reason)
				key, reason := causeOf(at, ask, reason)
				if s.has(reason) || s.hosts[host] && (ask == nil || ask.Found == pxepilot.Absent) {
					continue
				}
				if known[key] == nil {
					known[key] = &cause{reason: reason}
					causes = append(causes, known[key])
				}
				known[key].concerns(host)
			}
		}
	}
	told, more := 0, 0
	tell := func(format string, args ...any) {
		found = append(found, cli.Finding{Severity: cli.Error, Where: root, Message: fmt.Sprintf(format, args...)})
	}
	for _, c := range causes {
		at := s.warning(c.reason)
		switch {
		case at >= 0:
			found[at].Severity = cli.Error
			found[at].Message += "; not booting what was deployed for that: " + c.who()
		case told < mostTold:
			told++
			tell("%s: %s", c.who(), c.reason)
		default:
			more += len(c.hosts)
		}
	}
	if more > 0 {
		tell("hosts that do not boot what was deployed for reasons like these, besides: %d", more)
	}
	return found
}

// A cause is why some hosts do not boot what was deployed to them.
type cause struct {
	reason string   // in the words for the first of the hosts
	hosts  []string // quoted
}

// concerns notes a host, which comes again with each of its network cards.
func (c *cause) concerns(host string) {
	if n := len(c.hosts); n == 0 || c.hosts[n-1] != host {
		c.hosts = append(c.hosts, host)
	}
}

func (c *cause) who() string {
	if more := len(c.hosts) - 1; more > 0 {
		return fmt.Sprintf("host %s and %d more", c.hosts[0], more)
	}
	return "host " + c.hosts[0]
}

// causeOf is what reasons have in common that have the same cause, and the reason as
// far as it is about that: a file that no TFTP server may read is the same behind
// each link, and a file in front may come before each.
func causeOf(at string, a *pxepilot.Ask, reason string) (key, rest string) {
	switch {
	case a == nil:
		return reason, reason
	case a.Found == pxepilot.Unreadable:
		rest = strings.TrimPrefix(reason, at+": ")
		return rest, rest
	case a.Found.IsThere():
		return at, reason
	}
	return reason, reason
}

// subject is the path that a reason begins with, and the first step that leads to
// it, or into that directory where it is a link of the host; nil for neither.
func subject(status *pxepilot.HostStatus, s *pxepilot.Search, reason string) (string, *pxepilot.Ask) {
	for _, p := range beginnings(reason) {
		isLink := slices.ContainsFunc(status.Links, func(l pxepilot.Link) bool { return l.Path == p })
		for i := range s.Asks {
			for _, asked := range s.Asks[i].Paths {
				if asked == p || isLink && path.Dir(asked) == p {
					return p, &s.Asks[i]
				}
			}
		}
	}
	return "", nil
}

// beginnings are the paths that a sentence may begin with: they may have blanks.
func beginnings(sentence string) []string {
	var list []string
	for i, r := range sentence {
		if r == ' ' || r == ':' {
			list = append(list, sentence[:i])
		}
	}
	return list
}

// isDropped says whether a host was left without links of a loader on purpose
// (--drop-uncovered), of which the TFTP root's findings warn.
func isDropped(s *pxepilot.HostStatus, bootloader string) bool {
	return s.State == pxepilot.Partial && s.Canonical &&
		!slices.ContainsFunc(s.Links, func(l pxepilot.Link) bool { return l.Bootloader == bootloader && l.State != pxepilot.None })
}

// said is what findings say already.
type said struct {
	root     string
	messages map[string]bool
	errors   map[string]bool // by path of what they are about, below the root as well
	hosts    map[string]bool // in quotes, of which an error says that links are missing, or lead to different ends
	closed   map[string]int  // warnings that a TFTP server may not read or enter something, by its path
}

func newSaid(found []cli.Finding, root string) said {
	s := said{root, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]int{}}
	for i, f := range found {
		s.messages[f.Message] = true
		name, ofHost := hostOf(f.Message)
		switch {
		case f.Severity != cli.Error && strings.HasPrefix(f.Message, "mode "):
			s.closed[f.Where] = i
		case f.Severity != cli.Error:
		case ofHost && f.Where == root:
			s.hosts[name] = true
		default:
			s.errors[f.Where] = true
		}
	}
	return s
}

// has says whether an error says the same as a reason, or is about the very file
// that the reason begins with.
func (s said) has(reason string) bool {
	return s.messages[reason] || slices.ContainsFunc(beginnings(reason), func(p string) bool { return s.errors[s.absolute(p)] })
}

// warning is the index of the finding that warns of what a reason begins with: that
// nobody but its owner may read or enter it; -1 for none.
func (s said) warning(reason string) int {
	for _, p := range beginnings(reason) {
		if at, ok := s.closed[s.absolute(p)]; ok {
			return at
		}
	}
	return -1
}

func (s said) absolute(p string) string {
	if path.IsAbs(p) {
		return p
	}
	return path.Join(s.root, p)
}

// hostOf is the host, in quotes, that a finding begins with.
func hostOf(message string) (string, bool) {
	rest, ok := strings.CutPrefix(message, "host ")
	if !ok {
		return "", false
	}
	name, err := strconv.QuotedPrefix(rest)
	return name, err == nil
}
