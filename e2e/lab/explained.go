package lab

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// Explain is what "host explain" says of the host, before it boots.
func (h Host) Explain(t testing.TB, s *Server) apiv1.Explanation {
	t.Helper()
	stdout, stderr, status := Output(t, Program(), "-s", s.URL, "host", "explain", h.Name, "-o", "json")
	var e apiv1.Explanation
	// Status 1 says that it will boot something else than was deployed.
	if err := json.Unmarshal([]byte(stdout), &e); err != nil || status > 1 {
		t.Fatalf("host explain %s: exit status %d (%v)\n%s%s", h.Name, status, err, stdout, stderr)
	}
	return e
}

// AsExplained wants the machine to have asked for what was explained before it was
// powered on, file by file.
func (m *Machine) AsExplained(t testing.TB, e apiv1.Explanation) {
	t.Helper()
	m.site.asExplained(t, e, m.MACs[m.first], m.Requests(t))
}

// asExplained compares requests with the search of the one loader of a host, for
// the network card that it booted by. Further files, which the host asks for
// whatever its search finds, need not be there.
func (s *BootSite) asExplained(t testing.TB, e apiv1.Explanation, mac string, requests []Request, further ...string) {
	t.Helper()
	searches := slices.DeleteFunc(slices.Clone(e.Searches), func(s apiv1.Search) bool { return s.MACAddress != mac })
	if len(searches) != 1 {
		t.Fatalf("%d searches of %s, %s are explained; the lab wants hosts with one loader", len(searches), e.Name, mac)
	}
	search := searches[0]
	if s.tftp.locked && search.InChroot != nil {
		search.Asks = slices.Clone(search.Asks)
		for i, over := 0, false; i < len(search.Asks); i++ {
			search.Asks[i].Asked = !over
			over = over || search.Asks[i].Path != "" && search.Asks[i].Path == *search.InChroot
		}
	}
	err := compare(search, requests, func(name string) bool {
		info, err := os.Lstat(filepath.Join(s.Root, name))
		return err == nil && info.Mode().IsRegular() || slices.Contains(further, name)
	})
	if err != nil {
		text, _ := json.MarshalIndent(search, "", "  ")
		t.Errorf("%s did not boot as explained: %v\nIt asked for:\n%sExplained was:\n%s", e.Name, err, list(requests), text)
	}
}

// compare says what was asked otherwise than explained. What the search does not
// name is left out if it is a file of the root that is no link: the loader's own,
// and what it boots. If it is not there it belongs to a search that was not
// explained. A name that is asked for twice in a row counts once, for some loaders
// do that. Only where the explanation says that it is not sure may a name be
// missing.
func compare(s apiv1.Search, requests []Request, ownFile func(name string) bool) error {
	byLink := slices.ContainsFunc(requests, func(r Request) bool { return r.Method != "READ" && strings.HasPrefix(r.Name(), boot) })
	want := slices.DeleteFunc(slices.Clone(s.Asks), func(a apiv1.Ask) bool { return !a.Asked || byLink && a.By != "mac" })
	var last string
	ends := false
	for _, r := range requests {
		name := nameIn(s, r)
		exactly := func(a apiv1.Ask) bool { return slices.Contains(a.Paths, name) }
		named := exactly
		if !slices.ContainsFunc(s.Asks, exactly) {
			named = func(a apiv1.Ask) bool { return matches(a.Pattern, name) }
		}
		switch {
		case name == last:
		case slices.ContainsFunc(s.Asks, named):
			next := slices.IndexFunc(want, func(a apiv1.Ask) bool { return !unsure(a) || named(a) })
			if next < 0 || !named(want[next]) {
				return fmt.Errorf("it asked for %s, out of turn", name)
			}
			if a := want[next]; unsure(a) && a.Path == name && (a.Found == "readable" || a.Found == "unchrooted") {
				ends = true // there, if the machine asks for it
			}
			want, last = want[next+1:], name
		case !ownFile(name):
			return fmt.Errorf("it asked for %s, which is not explained", name)
		}
	}
	if want = slices.DeleteFunc(want, unsure); len(want) > 0 && !ends {
		return fmt.Errorf("it did not ask for %s", strings.Join(want[0].Paths, " or "))
	}
	return nil
}

// unsure says whether it is not known that the machine asks, or for what.
func unsure(a apiv1.Ask) bool { return a.Pattern != "" }

// Where the server gives by HTTP what a host's link gives, and nothing else, and
// where it has the files of the TFTP root.
const boot = "boot/"

var httpTFTP = regexp.MustCompile("^tftp/+")

// nameIn is the name that a request is for, below the TFTP root.
func nameIn(s apiv1.Search, r Request) string {
	name := r.Name()
	if r.Method == "READ" {
		return name
	}
	if strings.HasPrefix(name, boot) {
		for _, a := range s.Asks {
			if a.By == "mac" {
				return a.Paths[0]
			}
		}
	}
	return httpTFTP.ReplaceAllString(name, "")
}

// matches says whether a name is of a form, in which what is not known is in angle
// brackets.
func matches(form, name string) bool {
	return form != "" && regexp.MustCompile("^"+unknown.ReplaceAllString(regexp.QuoteMeta(form), "[^/]+")+"$").MatchString(name)
}

var unknown = regexp.MustCompile("<[^>]*>")
