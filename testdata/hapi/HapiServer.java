import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.context.support.IValidationSupport;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.dao.IFhirSystemDao;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binstore.MemoryBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.provider.IJpaSystemProvider;
import ca.uhn.fhir.jpa.provider.JpaCapabilityStatementProvider;
import ca.uhn.fhir.jpa.search.DatabaseBackedPagingProvider;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.ResourceProviderFactory;
import ca.uhn.fhir.rest.server.util.ISearchParamRegistry;
import jakarta.persistence.EntityManagerFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.catalina.startup.Tomcat;
import org.apache.commons.dbcp2.BasicDataSource;
import org.hl7.fhir.dstu2.model.Subscription;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.transaction.annotation.EnableTransactionManagement;

/**
 * The real EHR of `make test-hapi`: a HAPI FHIR JPA server, R4, H2 in memory, on 127.0.0.1/fhir.
 * args: port (0 = a free one), work directory; the port taken is written to {work}/port.
 * All settings are HAPI's own defaults (referential integrity on, external references off, search cache on) but one:
 * rest-hook subscriptions are switched on, so that our notify endpoint meets a sender nobody here wrote.
 */
@Configuration
@EnableTransactionManagement
@Import({JpaR4Config.class, HapiJpaConfig.class, ThreadPoolFactoryConfig.class, JpaBatch2Config.class, Batch2JobsConfig.class,
	SubscriptionChannelConfig.class, SubscriptionSubmitterConfig.class, SubscriptionProcessorConfig.class})
public class HapiServer {

	@Bean JpaStorageSettings storageSettings() { return new JpaStorageSettings(); }

	@Bean PartitionSettings partitionSettings() { return new PartitionSettings(); }

	@Bean IBinaryStorageSvc binaryStorage() { return new MemoryBinaryStorageSvcImpl(); }

	@Bean SubscriptionSettings subscriptionSettings() {
		SubscriptionSettings s = new SubscriptionSettings();
		s.addSupportedSubscriptionType(Subscription.SubscriptionChannelType.RESTHOOK);
		return s;
	}

	@Bean IEmailSender noMail() { return details -> { throw new UnsupportedOperationException("no mail here"); }; }

	@Bean(destroyMethod = "close") DataSource dataSource() {
		BasicDataSource db = new BasicDataSource();
		db.setDriver(new org.h2.Driver());
		db.setUrl("jdbc:h2:mem:hapi;DB_CLOSE_DELAY=-1");
		db.setMaxTotal(16);
		return db;
	}

	@Bean @Primary LocalContainerEntityManagerFactoryBean entityManagerFactory(
			DataSource db, ConfigurableListableBeanFactory beans, FhirContext fhir, JpaStorageSettings settings) {
		LocalContainerEntityManagerFactoryBean f = HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, fhir, settings);
		f.setPersistenceUnitName("HAPI_PU");
		f.setDataSource(db);
		Properties p = new Properties();
		p.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
		p.put("hibernate.hbm2ddl.auto", "create");
		p.put("hibernate.search.enabled", "false");
		f.setJpaProperties(p);
		return f;
	}

	@Bean @Primary JpaTransactionManager transactionManager(EntityManagerFactory f) { return new JpaTransactionManager(f); }

	@Bean RestfulServer restfulServer(FhirContext fhir, ResourceProviderFactory resources, IJpaSystemProvider system,
			IFhirSystemDao<?, ?> dao, JpaStorageSettings settings, ISearchParamRegistry params, IValidationSupport validation,
			DatabaseBackedPagingProvider paging) {
		RestfulServer s = new RestfulServer(fhir);
		s.registerProviders(resources.createProviders());
		s.registerProvider(system);
		s.setServerConformanceProvider(new JpaCapabilityStatementProvider(s, dao, settings, params, validation));
		s.setPagingProvider(paging);
		return s;
	}

	public static void main(String[] args) throws Exception {
		AnnotationConfigApplicationContext spring = new AnnotationConfigApplicationContext(HapiServer.class);
		Tomcat tomcat = new Tomcat();
		tomcat.setBaseDir(args[1]);
		tomcat.setPort(Integer.parseInt(args[0]));
		tomcat.getConnector().setProperty("address", "127.0.0.1");
		var web = tomcat.addContext("", args[1]);
		Tomcat.addServlet(web, "fhir", spring.getBean(RestfulServer.class)).setLoadOnStartup(1);
		web.addServletMappingDecoded("/fhir/*", "fhir");
		tomcat.start();
		if (tomcat.getConnector().getLocalPort() < 1) System.exit(1); // Tomcat logs a port it cannot take and carries on
		Files.writeString(Path.of(args[1], "port"), Integer.toString(tomcat.getConnector().getLocalPort()));
		tomcat.getServer().await();
	}
}
