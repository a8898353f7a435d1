"""NGSI-LD (ETSI GS CIM 009, version 1.6), read-only: the newest states as entities, their history as temporal entities."""
