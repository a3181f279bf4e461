//! Inner flows of overlay traffic: a bounded flow table with TCP health
