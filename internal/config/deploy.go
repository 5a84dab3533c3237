package config

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/pxe-pilot/pxe-pilot"
)

func (r *reader) deploy(n *yaml.Node) {
	d := &r.config.Deploy
	r.object(n, "deploy", fields{
		{key: "verify", read: func(v *yaml.Node) {
			if d.Verify = r.choice(v, "deploy.verify", "true", "false") == "true"; d.Verify {
				r.verifyAt = r.at(follow(v))
			}
		}},
		{key: "after_switch", read: func(v *yaml.Node) {
			line, ok := r.text(v, "deploy.after_switch")
			if ok {
				r.checkCommand(v, "deploy.after_switch", line)
			}
			d.AfterSwitch = line
		}},
	})
}

// checkCommand tells what is wrong with a command line that is no template, or what
// it could hardly be run for.
func (r *reader) checkCommand(n *yaml.Node, what, line string) {
	if r.commands.Words != nil {
		if err := r.commands.Words(line); err != nil {
			r.wrong(follow(n), "%s %v", what, err)
			return
		}
	}
	if r.commands.Doubt != nil {
		if doubt := r.commands.Doubt(line); doubt != "" {
			r.warn(r.at(follow(n)), "%s %s", what, doubt)
		}
	}
}

// checkDeploy tells that there is nobody to verify with.
func (r *reader) checkDeploy(site fields) {
	if r.config.Deploy.Verify && site.at("tftp") != nil && !r.addressed {
		r.tell(r.verifyAt, "deploy.verify needs tftp.address, which names the TFTP servers to ask; add it, or remove verify")
	}
}

// tftpAddresses are those of the TFTP servers that machines boot from.
func (r *reader) tftpAddresses(n *yaml.Node) {
	t := &r.config.TFTP
	r.addressed = true
	r.oneOrMore(n, "tftp.address", "one or a list of addresses such as 10.0.0.2", func(v *yaml.Node) {
		s, ok := r.word(v, "tftp.address")
		if !ok {
			return
		}
		address, ok := withPort(s)
		switch {
		case !ok:
			r.wrong(follow(v), "tftp.address is %s; want a host name or an IP address, and a port where that is not 69, as in 10.0.0.2, tftp.example.net:6969 or [2001:db8::2]:6969",
				pxepilot.Quote(s))
		case slices.Contains(t.Addresses, address):
			r.wrong(follow(v), "%s stands twice in tftp.address; remove one of them", pxepilot.Quote(s))
		default:
			t.Addresses = append(t.Addresses, address)
		}
	})
	if v := follow(n); v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
		r.wrong(v, "tftp.address is empty; name a TFTP server, or remove the key")
	}
}

// withPort brings the address of a TFTP server into one form, in which the port
// is 69 unless told otherwise.
func withPort(s string) (string, bool) {
	host, port := s, "69"
	inside, closed := strings.CutSuffix(strings.TrimPrefix(s, "["), "]")
	_, err := netip.ParseAddr(inside)
	switch bracketed := strings.HasPrefix(s, "["); {
	case err == nil && closed == bracketed:
		host = inside
	case strings.Contains(s, ":"):
		if host, port, err = net.SplitHostPort(s); err != nil || bracketed != strings.Contains(host, ":") {
			return "", false
		}
	}
	number, err := strconv.Atoi(port)
	if err != nil || strconv.Itoa(number) != port || number < 1 || number > 65535 || !isEndpoint(host) {
		return "", false
	}
	return net.JoinHostPort(strings.ToLower(host), port), true
}
