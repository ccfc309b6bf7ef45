"""What a machine of one's own needs to run Steward without any server set up beforehand.

home        the folder that holds everything, and the lock that lets one `start` have it
valkey      open_valkey: a Valkey of the home's own, shared by all who use the home
server      that Valkey as a process: launched, adopted, stopped
binary      where its program is
supervisor  several processes of one command, replaced when they die
lifeline    how such a process hears that it should stop
lock        flock, which ends with its holder, however that dies
socket      the unix socket, and why it may lie elsewhere
errors      all that can go wrong here
"""
