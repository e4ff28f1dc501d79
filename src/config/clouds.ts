/** The hosts of one Microsoft cloud; https origins without a path. */
export interface Cloud {
  name: CloudName
  /** Where tokens and OIDC metadata come from. */
  loginUrl: string
  /** Also the audience of tokens: `${graphUrl}/.default`. */
  graphUrl: string
  partnerCenterUrl: string
}

export type CloudName = 'global' | 'usgov' | 'usgovdod' | 'china' | 'custom'

/**
 * Microsoft's national clouds (https://learn.microsoft.com/graph/deployments). China's login host is the one MSAL
 * names as issuer; Microsoft's pages also give login.chinacloudapi.cn, an alias.
 */
export const knownClouds: Record<Exclude<CloudName, 'custom'>, Cloud> = {
  global: {
    name: 'global',
    loginUrl: 'https://login.microsoftonline.com',
    graphUrl: 'https://graph.microsoft.com',
    partnerCenterUrl: 'https://api.partnercenter.microsoft.com',
  },
  usgov: {
    name: 'usgov',
    loginUrl: 'https://login.microsoftonline.us',
    graphUrl: 'https://graph.microsoft.us',
    partnerCenterUrl: 'https://api.partnercenter.microsoft.com',
  },
  usgovdod: {
    name: 'usgovdod',
    loginUrl: 'https://login.microsoftonline.us',
    graphUrl: 'https://dod-graph.microsoft.us',
    partnerCenterUrl: 'https://api.partnercenter.microsoft.com',
  },
  china: {
    name: 'china',
    loginUrl: 'https://login.partner.microsoftonline.cn',
    graphUrl: 'https://microsoftgraph.chinacloudapi.cn',
    partnerCenterUrl: 'https://partner.partnercenterapi.microsoftonline.cn',
  },
}
