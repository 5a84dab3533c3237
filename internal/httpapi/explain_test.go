package httpapi

import (
	"context"
	"errors"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

func TestExplain(t *testing.T) {
	l, root := newSeed(t)
	l.site.Explainer, l.site.Files = root, root
	fromDisk := func(mac, servers string) string {
		return `{"bootloader":"pxelinux","macAddress":"` + mac + `","source":"its manual","asks":[
			{"paths":["pxelinux.cfg/01-00-00-00-00-00-03"],"by":"mac","asked":true,"found":"readable","path":"pxelinux.cfg/01-00-00-00-00-00-03","configuration":"local"},
			{"paths":["pxelinux.cfg/default"],"by":"default","asked":false,"found":"readable","path":"pxelinux.cfg/default"}],
			"wins":"pxelinux.cfg/01-00-00-00-00-00-03","configuration":"local","content":"DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"` + servers + `}`
	}
	second := `{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:33","source":"its manual","asks":[
		{"paths":["pxelinux.cfg/01-00-00-00-00-00-33"],"by":"mac","asked":true,"found":"readable","path":"pxelinux.cfg/01-00-00-00-00-00-33","configuration":"local"},
		{"paths":["pxelinux.cfg/default"],"by":"default","asked":false,"found":"readable","path":"pxelinux.cfg/default"}],
		"wins":"pxelinux.cfg/01-00-00-00-00-00-33","configuration":"local","content":"DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"`
	const h1 = `{"name":"h1","configuration":null,"state":"none","asDeployed":false,"searches":[
		{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:01","source":"its manual","asks":[
			{"paths":["pxelinux.cfg/01-00-00-00-00-00-01"],"by":"mac","asked":true,"found":"absent"},
			{"paths":["pxelinux.cfg/default"],"by":"default","asked":true,"found":"readable","path":"pxelinux.cfg/default"}],
			"wins":"pxelinux.cfg/default","content":"DEFAULT menu\n","reasons":["there is no link"]}]}`
	asked := func(path string) string { return `{"server":"10.0.0.1:69","served":true,"asked":["` + path + `"]}` }
	behind := &stale{files: map[string]string{defaultPath: "DEFAULT menu\n", "pxelinux.cfg/01-00-00-00-00-00-33": "DEFAULT local\nLABEL local\n  LOCALBOOT 0\n"}}
	silent := &stale{fails: errors.New("10.0.0.9:69: it does not answer")}
	const tells = `"pxelinux.cfg/default, 13 bytes, in place of pxelinux.cfg/01-00-00-00-00-00-03: pxelinux.cfg/01-00-00-00-00-00-03 is not found there; ` +
		`look at the directory that the server serves, whether it is up to date, and at its permissions (with SELinux, at its labels)"`
	for _, tt := range []struct {
		name, target string
		servers      []pilot.TFTPServer
		status       int
		want         string // of the body; its message for an error
	}{
		{"as deployed", "/v1/hosts/h3/explain", nil, 200,
			`{"name":"h3","configuration":{"name":"local"},"state":"configured","asDeployed":true,"searches":[` + fromDisk("00:00:00:00:00:03", "") + "," + second + "}]}"},
		{"by a MAC address, unverified", "/v1/hosts/00-00-00-00-00-01/explain?verify=false", []pilot.TFTPServer{root}, 200, h1},
		{"served", "/v1/hosts/h3/explain?verify=true", []pilot.TFTPServer{root}, 200,
			`{"name":"h3","configuration":{"name":"local"},"state":"configured","asDeployed":true,"searches":[` +
				fromDisk("00:00:00:00:00:03", `,"servers":[`+asked("pxelinux.cfg/01-00-00-00-00-00-03")+`]`) + "," +
				second + `,"servers":[` + asked("pxelinux.cfg/01-00-00-00-00-00-33") + "]}]}"},
		{"a replica is behind", "/v1/hosts/h3/explain?verify=true", []pilot.TFTPServer{root, behind}, 200,
			`{"name":"h3","configuration":{"name":"local"},"state":"configured","asDeployed":false,"searches":[` +
				fromDisk("00:00:00:00:00:03", `,"servers":[`+asked("pxelinux.cfg/01-00-00-00-00-00-03")+
					`,{"server":"10.0.0.9:69","served":false,"got":`+tells+`,"asked":["pxelinux.cfg/01-00-00-00-00-00-03","pxelinux.cfg/default"]}]`) + "," +
				second + `,"servers":[` + asked("pxelinux.cfg/01-00-00-00-00-00-33") + `,{"server":"10.0.0.9:69","served":true,"asked":["pxelinux.cfg/01-00-00-00-00-00-33"]}]}]}`},
		{"nothing answers", "/v1/hosts/h1/explain?verify=true", []pilot.TFTPServer{silent}, 200,
			h1[:len(h1)-3] + `,"servers":[{"server":"10.0.0.9:69","served":false,"asked":["pxelinux.cfg/01-00-00-00-00-00-01"],"problem":"internal error; the server's log has the details"}]}]}`},
		{"no server to ask", "/v1/hosts/h3/explain?verify=true", nil, 409,
			"what machines get cannot be verified: no TFTP server is known to ask; set tftp.address in the configuration file, or do without verifying"},
		{"nobody", "/v1/hosts/h4/explain", nil, 404, `host "h4" not found; did you mean h1 or h2 or h3?`},
		{"no boolean", "/v1/hosts/h3/explain?verify=yes", nil, 400, `the query parameter verify is "yes"; want true or false`},
		{"misspelt", "/v1/hosts/h3/explain?verfy=true", nil, 400, `unknown query parameter "verfy"; did you mean verify?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l.site.Servers = tt.servers
			got := l.ask("GET", tt.target, "")
			switch {
			case got.StatusCode != tt.status:
				t.Errorf("%d %s", got.StatusCode, got.body)
			case tt.status != 200:
				if m := got.message(t); m != tt.want {
					t.Errorf("it says %q", m)
				}
			default:
				sameJSON(t, tt.target, got.body, tt.want)
			}
		})
	}
}

// Everything that an explanation tells gets through, as the contract has it, and
// nothing breaks its lines.
func TestExplanationIsWhole(t *testing.T) {
	l, root := newSeed(t)
	view, err := root.View(t.Context(), l.site.Inventory)
	if err != nil {
		t.Fatal(err)
	}
	status := view.Hosts[0]
	status.State = pxepilot.Mixed
	l.handler = New(explained{e: &pxepilot.Explanation{Status: &status, Searches: []pxepilot.Search{
		{Bootloader: "grub-signed", MAC: status.Host.MACs[0], Source: "s", Setup: &pxepilot.Setup{Path: "grub/grub.cfg", Text: "a\nb\n", Done: true},
			Wins: 1, InChroot: -1, Configuration: "c", Content: "x\n", Reasons: []string{"why\nnot"}, Warnings: []string{"take\x1bcare"},
			Asks: []pxepilot.Ask{
				{By: pxepilot.ByUUID, Unknown: true, Pattern: "<uuid>", Found: pxepilot.Absent},
				{Paths: []string{"a", "b"}, By: pxepilot.ByScript, Found: pxepilot.Unchrooted, Path: "b", Through: []string{"/x", "y"}, Configuration: "c", Note: "of\nnote"},
				{Paths: []string{"d"}, By: pxepilot.ByIP, Found: pxepilot.NotAFile, Path: "d"},
			}},
		{Bootloader: "ipxe", MAC: status.Host.MACs[0], Source: "s", Setup: &pxepilot.Setup{Text: "chain"}, Wins: -1, InChroot: -1},
		{Bootloader: "pxelinux", MAC: status.Host.MACs[0], Source: "s", Wins: -1, InChroot: 0,
			Asks: []pxepilot.Ask{{Paths: []string{"e"}, By: pxepilot.ByDefault, Found: pxepilot.Broken, Path: "e"}}},
	}}}, Options{})
	sameJSON(t, "explanation", l.ask("GET", "/v1/hosts/h1/explain", "").body, `{"name":"h1","configuration":null,"state":"mixed","asDeployed":false,"searches":[
		{"bootloader":"grub-signed","macAddress":"00:00:00:00:00:01","source":"s","setup":{"path":"grub/grub.cfg","text":"a\nb\n","done":true},"asks":[
			{"paths":[],"by":"uuid","asked":true,"unknown":true,"pattern":"<uuid>","found":"absent"},
			{"paths":["a","b"],"by":"script","asked":true,"found":"unchrooted","path":"b","through":["/x","y"],"configuration":"c","note":"of note"},
			{"paths":["d"],"by":"ip","asked":false,"found":"not a file","path":"d"}],
			"wins":"b","inChroot":"","configuration":"c","content":"x\n","reasons":["why not"],"warnings":["take care"]},
		{"bootloader":"ipxe","macAddress":"00:00:00:00:00:01","source":"s","setup":{"text":"chain","done":false},"asks":[]},
		{"bootloader":"pxelinux","macAddress":"00:00:00:00:00:01","source":"s","inChroot":"e","asks":[
			{"paths":["e"],"by":"default","asked":true,"found":"broken","path":"e"}]}]}`)
}

// explained is a Pilot that knows one explanation only.
type explained struct {
	Pilot
	e *pxepilot.Explanation
}

func (p explained) Explain(context.Context, string, bool) (*pxepilot.Explanation, error) {
	return p.e, nil
}
