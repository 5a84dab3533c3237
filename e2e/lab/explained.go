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

// Explain is what "host explain" says of the machine, before it boots.
func (m *Machine) Explain(t testing.TB, s *Server) apiv1.Explanation {
	t.Helper()
	stdout, stderr, status := Output(t, Program(), "-s", s.URL, "host", "explain", m.Name, "-o", "json")
	var e apiv1.Explanation
	// Status 1 says that the machine will boot something else than was deployed.
	if err := json.Unmarshal([]byte(stdout), &e); err != nil || status > 1 {
		t.Fatalf("host explain %s: exit status %d (%v)\n%s%s", m.Name, status, err, stdout, stderr)
	}
	return e
}

// AsExplained wants the machine to have asked for what was explained before it was
// powered on, file by file.
func (m *Machine) AsExplained(t testing.TB, e apiv1.Explanation) {
	t.Helper()
	search, err := m.search(e)
	if err == nil {
		err = compare(search, m.Requests(t), func(name string) bool {
			info, err := os.Lstat(filepath.Join(m.site.Root, name))
			return err == nil && info.Mode().IsRegular()
		})
	}
	if err == nil {
		return
	}
	var asked strings.Builder
	for _, r := range m.Requests(t) {
		fmt.Fprintln(&asked, r)
	}
	text, _ := json.MarshalIndent(search, "", "  ")
	t.Errorf("%s did not boot as explained: %v\nIt asked:\n%sExplained was:\n%s", m.Name, err, &asked, text)
}

// search is that of the card that the machine boots by, and of its loader.
func (m *Machine) search(e apiv1.Explanation) (apiv1.Search, error) {
	var found []apiv1.Search
	for _, s := range e.Searches {
		if s.MACAddress == m.MACs[m.first] {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		return apiv1.Search{}, fmt.Errorf("%d searches of %s are explained; the host should have one bootloader", len(found), m.MACs[m.first])
	}
	return found[0], nil
}

// compare says what was asked otherwise than explained. A name that is repeated at
// once counts once: some loaders ask twice. What no search names is left out if it
// is a file of the root that is no link: the loader's own, and what it boots. What
// no search names and what is not there is a search that was not explained. Only
// where the explanation says that it does not know a name may that be left out.
func compare(s apiv1.Search, requests []Request, ownFile func(name string) bool) error {
	want := slices.DeleteFunc(slices.Clone(s.Asks), func(a apiv1.Ask) bool { return !a.Asked })
	var last string
	for _, r := range requests {
		name := nameIn(s, r)
		if name == last {
			continue
		}
		last = name
		named := func(a apiv1.Ask) bool { return names(a, name) }
		switch {
		case slices.ContainsFunc(s.Asks, named):
			next := slices.IndexFunc(want, func(a apiv1.Ask) bool { return !unsure(a) || named(a) })
			if next < 0 || !named(want[next]) {
				return fmt.Errorf("it asked for %s, out of turn", name)
			}
			want = want[next+1:]
		case !ownFile(name):
			return fmt.Errorf("it asked for %s, which is not explained", name)
		}
	}
	if want = slices.DeleteFunc(want, unsure); len(want) > 0 {
		return fmt.Errorf("it did not ask for %s", strings.Join(want[0].Paths, " or "))
	}
	return nil
}

// unsure says whether it is not known that the machine asks, or for what.
func unsure(a apiv1.Ask) bool { return a.Pattern != "" }

// httpTFTP is where the server has the files of the TFTP root.
var httpTFTP = regexp.MustCompile("^tftp/+")

// nameIn is the name that a request is for, below the TFTP root. "/boot/" gives
// what the host's link gives.
func nameIn(s apiv1.Search, r Request) string {
	name := r.Name()
	if r.Method == "READ" {
		return name
	}
	if strings.HasPrefix(name, "boot/") {
		for _, a := range s.Asks {
			if a.By == "mac" {
				return a.Paths[0]
			}
		}
	}
	return httpTFTP.ReplaceAllString(name, "")
}

// names says whether a name is one of those of an ask. In patterns, what is not
// known is in angle brackets.
func names(a apiv1.Ask, name string) bool {
	if slices.Contains(a.Paths, name) {
		return true
	}
	form := unknown.ReplaceAllString(regexp.QuoteMeta(a.Pattern), "[^/]+")
	return a.Pattern != "" && regexp.MustCompile("^"+form+"$").MatchString(name)
}

var unknown = regexp.MustCompile("<[^>]*>")
