package cli

import (
	"github.com/spf13/cobra"
)

func (p *program) host() *cobra.Command {
	g := p.group("host", "Host commands",
		p.hostList(), p.hostShow(), p.hostExplain(), p.hostHistory(), p.hostArmed(), p.hostDisarm(), p.hostClear(), p.hostRepair(),
		p.hostStatus(), p.hostOn(), p.hostOff(), p.hostReboot(), p.hostCycle(), p.hostRefresh())
	g.GroupID = groupID(askGroup)
	return g
}
