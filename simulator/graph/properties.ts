const words = (text: string): readonly string[] => text.split(/\s+/).filter(Boolean)

/** What one entity type of Graph v1.0 has, after Microsoft's metadata. */
export interface EntityType {
  name: 'user' | 'group' | 'device' | 'team' | 'organization' | 'subscribedSku'
  properties: ReadonlySet<string>
  /** Told without $select; null = all. */
  defaults: readonly string[] | null
  /** Never null: `[]` when there is nothing. */
  collections: ReadonlySet<string>
  /** Kept in other services: 501 when a list selects them. */
  elsewhere: ReadonlySet<string>
}

export const userType: EntityType = {
  name: 'user',
  properties: new Set(
    words(`id deletedDateTime accountEnabled ageGroup assignedLicenses assignedPlans businessPhones city companyName
      consentProvidedForMinor country createdDateTime creationType department displayName employeeHireDate employeeId
      employeeOrgData employeeType externalUserState externalUserStateChangeDateTime faxNumber givenName identities
      imAddresses isManagementRestricted isResourceAccount jobTitle lastPasswordChangeDateTime
      legalAgeGroupClassification licenseAssignmentStates mail mailNickname mobilePhone officeLocation
      onPremisesDistinguishedName onPremisesDomainName onPremisesExtensionAttributes onPremisesImmutableId
      onPremisesLastSyncDateTime onPremisesProvisioningErrors onPremisesSamAccountName onPremisesSecurityIdentifier
      onPremisesSyncEnabled onPremisesUserPrincipalName otherMails passwordPolicies passwordProfile postalCode
      preferredDataLocation preferredLanguage provisionedPlans proxyAddresses securityIdentifier
      serviceProvisioningErrors showInAddressList signInSessionsValidFromDateTime state streetAddress surname
      usageLocation userPrincipalName userType aboutMe birthday hireDate interests mailboxSettings mySite pastProjects
      preferredName responsibilities schools skills`),
  ),
  defaults:
    words(`businessPhones displayName givenName jobTitle mail mobilePhone officeLocation preferredLanguage surname
    userPrincipalName id`),
  collections: new Set(
    words(`assignedLicenses assignedPlans businessPhones identities imAddresses licenseAssignmentStates
      onPremisesProvisioningErrors otherMails provisionedPlans proxyAddresses serviceProvisioningErrors`),
  ),
  elsewhere: new Set(
    words(`aboutMe birthday hireDate interests mailboxSettings mySite pastProjects preferredName responsibilities schools
      skills`),
  ),
}

export const groupType: EntityType = {
  name: 'group',
  properties: new Set(
    words(`id deletedDateTime assignedLabels assignedLicenses classification createdDateTime description displayName
      expirationDateTime groupTypes hasMembersWithLicenseErrors isAssignableToRole isManagementRestricted
      licenseProcessingState mail mailEnabled mailNickname membershipRule membershipRuleProcessingState
      onPremisesDomainName onPremisesExtensionAttributes onPremisesLastSyncDateTime onPremisesNetBiosName
      onPremisesProvisioningErrors onPremisesSamAccountName onPremisesSecurityIdentifier onPremisesSyncEnabled
      organizationId preferredDataLocation preferredLanguage proxyAddresses renewedDateTime resourceBehaviorOptions
      resourceProvisioningOptions securityEnabled securityIdentifier serviceProvisioningErrors theme uniqueName
      visibility`),
  ),
  defaults:
    words(`id deletedDateTime classification createdDateTime description displayName expirationDateTime groupTypes
    isAssignableToRole mail mailEnabled mailNickname membershipRule membershipRuleProcessingState onPremisesDomainName
    onPremisesLastSyncDateTime onPremisesNetBiosName onPremisesSamAccountName onPremisesSecurityIdentifier
    onPremisesSyncEnabled preferredDataLocation preferredLanguage proxyAddresses renewedDateTime resourceBehaviorOptions
    resourceProvisioningOptions securityEnabled securityIdentifier theme uniqueName visibility
    onPremisesProvisioningErrors serviceProvisioningErrors`),
  collections: new Set(
    words(`assignedLabels assignedLicenses groupTypes onPremisesProvisioningErrors proxyAddresses
      resourceBehaviorOptions resourceProvisioningOptions serviceProvisioningErrors`),
  ),
  elsewhere: new Set(
    words(`isArchived allowExternalSenders autoSubscribeNewMembers isSubscribedByMail unseenCount`),
  ),
}

export const deviceType: EntityType = {
  name: 'device',
  properties: new Set(
    words(`id deletedDateTime accountEnabled alternativeSecurityIds approximateLastSignInDateTime
      complianceExpirationDateTime createdDateTime deviceCategory deviceId deviceMetadata deviceOwnership deviceVersion
      displayName enrollmentProfileName enrollmentType isCompliant isManaged isManagementRestricted isRooted
      managementType manufacturer mdmAppId model onPremisesLastSyncDateTime onPremisesSecurityIdentifier
      onPremisesSyncEnabled operatingSystem operatingSystemVersion physicalIds profileType registrationDateTime
      systemLabels trustType`),
  ),
  defaults: null,
  collections: new Set(words(`alternativeSecurityIds physicalIds systemLabels`)),
  elsewhere: new Set(),
}

export const teamType: EntityType = {
  name: 'team',
  properties: new Set(
    words(`id classification createdDateTime description displayName firstChannelName funSettings guestSettings internalId
      isArchived memberSettings messagingSettings specialization summary tenantId visibility webUrl`),
  ),
  defaults: null,
  collections: new Set(),
  elsewhere: new Set(),
}

export const organizationType: EntityType = {
  name: 'organization',
  properties: new Set(
    words(`id deletedDateTime assignedPlans businessPhones city country countryLetterCode createdDateTime
      defaultUsageLocation displayName marketingNotificationEmails mobileDeviceManagementAuthority
      onPremisesLastSyncDateTime onPremisesSyncEnabled partnerTenantType postalCode preferredLanguage privacyProfile
      provisionedPlans securityComplianceNotificationMails securityComplianceNotificationPhones state street
      technicalNotificationMails tenantType verifiedDomains`),
  ),
  defaults: null,
  collections: new Set(
    words(`assignedPlans businessPhones marketingNotificationEmails provisionedPlans
      securityComplianceNotificationMails securityComplianceNotificationPhones technicalNotificationMails`),
  ),
  elsewhere: new Set(),
}

export const skuType: EntityType = {
  name: 'subscribedSku',
  properties: new Set(
    words(`id accountId accountName appliesTo capabilityStatus consumedUnits prepaidUnits servicePlans skuId skuPartNumber
      subscriptionIds`),
  ),
  defaults: null,
  collections: new Set(words(`servicePlans subscriptionIds`)),
  elsewhere: new Set(),
}
