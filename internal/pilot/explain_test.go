package pilot

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
)

// given tells of each server whether it serves, or what came instead.
func given(e *pxepilot.Explanation) []string {
	var list []string
	for _, s := range e.Searches {
		for _, v := range s.Servers {
			switch {
			case v.Err != nil:
				list = append(list, "? "+pxepilot.ErrorMessage(v.Err))
			case v.Served:
				list = append(list, "SERVED"+v.Got)
			default:
				list = append(list, v.Got)
			}
		}
	}
	return list
}

func TestExplainAndVerify(t *testing.T) {
	const (
		mine   = "pxelinux.cfg/01-00-00-00-00-00-01"
		hints  = "; look at the directory that the server serves, whether it is up to date, and at its permissions (with SELinux, at its labels)"
		behind = "; is the server's copy behind, or its directory another one?"
		other  = "; does the server serve another directory?"
	)
	denied := pxepilot.Errorf(pxepilot.Forbidden, `access denied ("Permission denied")`)
	for _, tt := range []struct {
		name   string
		disk   map[string]string // besides "ubuntu", and "local" as default
		server map[string]string // in place of what is on the disk; "" for nothing there
		fails  error             // of the host's own name
		want   string
	}{
		{"as it should be", nil, nil, nil, "SERVED"},
		{"an empty file", map[string]string{mine: ""}, nil, nil, "SERVED"},
		{"nothing at all", map[string]string{mine: "-", "pxelinux.cfg/default": "-"}, nil, nil, "SERVED"},
		{"the default", map[string]string{mine: "-"}, nil, nil, "SERVED"},
		{"the UUID, in either order", map[string]string{"pxelinux.cfg/uuid-b-h01": "x"}, nil, nil, "SERVED"},
		{"a link to be read here only", map[string]string{mine: "absolute x"}, nil, nil, "SERVED"},
		{"an empty root", nil, map[string]string{mine: "", "pxelinux.cfg/default": ""}, nil, "nothing: " + mine + " is not found there" + hints},
		{"another root", nil, map[string]string{mine: "", "pxelinux.cfg/default": "another"}, nil,
			"pxelinux.cfg/default, 7 bytes, in place of " + mine + ": " + mine + " is not found there" + hints},
		{"another root with more in it", nil, map[string]string{"pxelinux.cfg/uuid-a-h01": "x"}, nil,
			"pxelinux.cfg/uuid-a-h01, 1 bytes, in place of " + mine + ": it comes first, and on the disk it is absent" + other},
		{"another root, where the disk has nothing", map[string]string{mine: "-", "pxelinux.cfg/default": "-"}, map[string]string{"pxelinux.cfg/default": "x"}, nil,
			"pxelinux.cfg/default, 1 bytes, where the disk has nothing for it" + other},
		{"a chroot", map[string]string{mine: "absolute x"}, map[string]string{mine: ""}, nil,
			"pxelinux.cfg/default, 5 bytes, in place of " + mine + ": " + mine + " is not found there, as by every server that is locked into its root, for the link is absolute or leaves the root; make it relative by 'pxe-pilot host repair'"},
		{"denied", nil, nil, denied, "pxelinux.cfg/default, 5 bytes, in place of " + mine + ": " + mine + `: access denied ("Permission denied")` + hints},
		{"closed on the disk, and given all the same", map[string]string{mine: "closed other"}, map[string]string{mine: "ubuntu"}, nil,
			mine + ", 6 bytes, in place of pxelinux.cfg/default: it comes first, and on the disk it is unreadable" + other},
		{"an older copy", nil, map[string]string{mine: "local"}, nil, "other content of " + mine + " than the disk has (5 bytes in place of 6)" + behind},
		{"a copy of the same size", nil, map[string]string{mine: "debian"}, nil, "other content of " + mine + " than the disk has (6 bytes, but not the same)" + behind},
		{"a longer copy", nil, map[string]string{mine: "ubuntu and more"}, nil, "other content of " + mine + " than the disk has (more than 6 bytes in place of 6)" + behind},
		{"a default without end", map[string]string{mine: "-"}, map[string]string{"pxelinux.cfg/default": strings.Repeat("x", 2*mostStrange)}, nil,
			"other content of pxelinux.cfg/default than the disk has (more than 5 bytes in place of 5)" + behind},
		{"another default without end", nil, map[string]string{mine: "", "pxelinux.cfg/default": strings.Repeat("x", 2*mostStrange)}, nil,
			"pxelinux.cfg/default, more than 1048576 bytes, in place of " + mine + ": " + mine + " is not found there" + hints},
		{"names that are not known are not asked for", map[string]string{"pxelinux.cfg/0A000001": "x", mine: "-"}, nil, nil, "SERVED"},
		{"more than is compared", map[string]string{mine: strings.Repeat("x", mostCompared+1)}, nil, nil, "what cannot be compared with the disk: " + mine + " has more than 16 MiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, site, _, disk := newVerified(t, &fakeMachine{})
			set := func(files, to map[string]string, none string) {
				for path, content := range files {
					if to[path] = content; content == none {
						delete(to, path)
					}
				}
			}
			set(tt.disk, disk.files, "-")
			server := &fakeServer{address: "10.0.0.2:69", files: maps.Clone(disk.files), fails: map[string]error{mine: tt.fails}}
			set(tt.server, server.files, "")
			site.Servers = []TFTPServer{server}
			e, err := p.Explain(t.Context(), "h01", true)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want}, given(e)); diff != "" {
				t.Error(diff)
			}
			if v := e.Searches[0].Servers[0]; v.Server != "10.0.0.2:69" || !slices.Equal(v.Asked, server.wasAsked()[len(server.wasAsked())-len(v.Asked):]) {
				t.Errorf("%+v, and it was asked for %v", v, server.wasAsked())
			}
		})
	}
}

// Without --verify nobody is asked.
func TestExplain(t *testing.T) {
	p, site, _, disk := newVerified(t, &fakeMachine{})
	e, err := p.Explain(t.Context(), "00-00-00-00-00-01", false)
	if err != nil || e.Status.Host.Name != "h01" || e.Searches[0].Servers != nil || len(site.Servers[0].(*fakeServer).wasAsked()) > 0 {
		t.Errorf("%+v, %v", e, err)
	}
	if _, err := p.Explain(t.Context(), "h02", false); pxepilot.ErrorCode(err) != pxepilot.NotFound {
		t.Error(err)
	}
	if all, err := p.ExplainAll(t.Context(), false); err != nil || len(all) != 2 {
		t.Errorf("%+v, %v", all, err)
	}
	site.Servers = nil
	const none = "what machines get cannot be verified: no TFTP server is known to ask; set tftp.address in the configuration file, or do without verifying"
	if _, err := p.Explain(t.Context(), "h01", true); pxepilot.ErrorCode(err) != pxepilot.Conflict || err.Error() != none {
		t.Error(err)
	}
	disk.fails = pxepilot.Errorf(pxepilot.Unavailable, "the TFTP root is gone")
	if _, err := p.Explain(t.Context(), "h01", false); !errors.Is(err, disk.fails) {
		t.Error(err)
	}
}
