package cli_test

import (
	"fmt"
	"net/http"
	"strconv"

	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// A fakeTFTP is the TFTP servers of a fakeSite.
type fakeTFTP struct {
	always   bool                // deploy.verify of the file
	warnings map[string][]string // about hosts
	unserved map[string]string   // why hosts do not get what was deployed
}

func (s *fakeSite) unverifiable(asked *bool) string {
	if asked == nil || !*asked || s.tftp != nil {
		return ""
	}
	return "what machines get cannot be verified: no TFTP server is known to ask; set tftp.address in the configuration file, or do without verifying"
}

// afterSwitch is what comes between a switch and the reboots.
func (s *fakeSite) afterSwitch(c apiv1.Change, out *apiv1.Outcome) {
	out.Problem = s.unpushed
	if out.Problem != "" || s.tftp == nil || c.Verify == nil && !s.tftp.always || c.Verify != nil && !*c.Verify {
		return
	}
	for i := range out.Hosts {
		if h := &out.Hosts[i]; h.Refused == "" {
			h.Served, h.Unserved = "YES", s.tftp.unserved[h.Name]
			if h.Unserved != "" {
				h.Served = "NO"
			}
			h.Warnings = s.tftp.warnings[h.Name]
		}
	}
}

// served is a rack of which the TFTP servers serve all hosts but r03.
func served() *fakeSite {
	s := newFakeRack()
	s.tftp = &fakeTFTP{always: true, warnings: map[string][]string{"r04": {"pxelinux.cfg/4c4c4544 may come first"}}, unserved: map[string]string{
		"r03": "10.0.0.1:69 gives 00:00:00:00:01:03 nothing: pxelinux.cfg/01-00-00-00-00-01-03 is not found there",
	}}
	return s
}

// unpushed is a rack whose replicas cannot be reached.
func unpushed() *fakeSite {
	s := served()
	s.unpushed = "the links were switched, but deploy.after_switch failed, so that nothing was verified or rebooted: rsync ended with 12; mend that and repeat the request"
	return s
}

func (s *fakeSite) handleExplain(mux *http.ServeMux, checked func(string, http.HandlerFunc) http.HandlerFunc) {
	mux.HandleFunc("GET /v1/hosts/{name}/explain", checked("host", func(w http.ResponseWriter, r *http.Request) {
		verify, _ := strconv.ParseBool(r.URL.Query().Get("verify"))
		if why := s.unverifiable(&verify); why != "" {
			refuse(w, http.StatusConflict, "%s", why)
			return
		}
		if h := s.find(w, r.PathValue("name")); h != nil {
			answer(w, s.explain(h))
		}
	}))
}

// explain tells what a host boots by PXELINUX where nothing is there but its links
// and configurations.
func (s *fakeSite) explain(h *apiv1.Host) apiv1.Explanation {
	e := apiv1.Explanation{Name: h.Name, Configuration: h.Configuration, State: h.State, AsDeployed: h.Configuration != nil, Searches: []apiv1.Search{}}
	for _, l := range h.Links {
		search := apiv1.Search{Bootloader: l.Bootloader, MACAddress: l.MACAddress, Source: "SYSLINUX", Asks: []apiv1.Ask{
			{By: "uuid", Paths: []string{}, Unknown: true, Pattern: "pxelinux.cfg/<UUID>", Asked: true, Found: "absent"},
			{By: "mac", Paths: []string{l.Path}, Asked: true, Found: "absent"},
		}}
		for n := 8; n > 0; n-- {
			search.Asks = append(search.Asks, apiv1.Ask{By: "ip", Paths: []string{}, Unknown: true, Pattern: fmt.Sprintf("pxelinux.cfg/<IP address, %d hex digits>", n),
				Asked: l.Configuration == "", Found: "absent"})
		}
		search.Asks = append(search.Asks, apiv1.Ask{By: "default", Paths: []string{"pxelinux.cfg/default"}, Asked: l.Configuration == "", Found: "absent"})
		if l.Configuration == "" {
			search.Reasons = []string{fmt.Sprintf("nothing is deployed to host %q, so that %s is not there; 'pxe-pilot config deploy NAME %s' makes it", h.Name, l.Path, h.Name)}
		} else {
			own := &search.Asks[1]
			own.Found, own.Path, own.Configuration = "readable", l.Path, l.Configuration
			search.Wins, search.Configuration, search.Content = l.Path, l.Configuration, s.contents[l.Configuration][0].Content
		}
		e.Searches = append(e.Searches, search)
	}
	return e
}
