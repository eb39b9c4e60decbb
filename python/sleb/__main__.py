from sleb._program import main

main()
